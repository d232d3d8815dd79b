"""The rules of high availability hold together, and each of them is needed: one disk that two hosts share."""

from __future__ import annotations

import pytest

from quantix_lab.ha_model.one_disk import OneDisk
from quantix_lab.ha_model.rules import Disturbance, Rule, Setting
from quantix_lab.ha_model.search import STUCK, TooManyStatesError, explore
from quantix_lab.ha_model.world import LATE_WRITES, MORE_THAN_ONE_WRITES, STALE_MEMORY

D = Disturbance

NEEDED = [
    (Rule.CLAIM, MORE_THAN_ONE_WRITES, 1, (D.STATUS_LOST,)),
    (Rule.PROOF, MORE_THAN_ONE_WRITES, 1, (D.SUSPICION,)),
    (Rule.ADDRESS_ENTRY, MORE_THAN_ONE_WRITES, 2, (D.SUSPICION, D.FREEZE)),
    (Rule.BARRIER, MORE_THAN_ONE_WRITES, 1, (D.SUSPICION,)),
    (Rule.NO_EXPIRY, MORE_THAN_ONE_WRITES, 3, (D.SUSPICION, D.FREEZE, D.EXPIRY)),
    (Rule.LIFT_WHEN_CLEAN, MORE_THAN_ONE_WRITES, 2, (D.SUSPICION, D.FREEZE)),
    (Rule.CLEAN_FOR_THIS_RECOVERY, MORE_THAN_ONE_WRITES, 3, (D.SUSPICION, D.LEADER_CHANGE)),
    (Rule.CLEAN_BINDS, MORE_THAN_ONE_WRITES, 1, (D.SUSPICION,)),
    (Rule.UNDEFINE, MORE_THAN_ONE_WRITES, 2, (D.STOP,)),
    (Rule.PAUSED_TARGET, MORE_THAN_ONE_WRITES, 2, (D.MIGRATION, D.REPLY_LOST)),
    (Rule.SOURCE_WAITS, MORE_THAN_ONE_WRITES, 1, (D.MIGRATION,)),
    (Rule.GATED_FINISH, MORE_THAN_ONE_WRITES, 3, (D.MIGRATION, D.POST_COPY, D.LINK_LOST)),
    (Rule.HANDED_ONCE_STOPPED, MORE_THAN_ONE_WRITES, 2, (D.MIGRATION, D.POST_COPY)),
    (Rule.NEVER_RESUMED, MORE_THAN_ONE_WRITES, 3, (D.MIGRATION, D.POST_COPY, D.LINK_LOST)),
    (Rule.DESTROY_UNHANDED, STALE_MEMORY, 2, (D.MIGRATION, D.SUSPICION)),
    (Rule.BOUNDED_LIFTER, MORE_THAN_ONE_WRITES, 3, (D.SUSPICION, D.LEADER_CHANGE)),
    (Rule.LAST_WRITES, LATE_WRITES, 1, (D.QEMU_KILLED,)),
    (Rule.ADOPT_CLAIM, STUCK, 1, (D.STATUS_LOST,)),
    (Rule.ADOPT_ENTRY, STUCK, 2, (D.SUSPICION, D.STATUS_LOST)),
    (Rule.RECOVERY_ANEW, MORE_THAN_ONE_WRITES, 2, (D.SUSPICION, D.RESTORE)),
    (Rule.FENCE_BEFORE_FREE, MORE_THAN_ONE_WRITES, 3, (D.SUSPICION, D.LEADER_CHANGE, D.STATUS_LOST)),
]
SCENARIOS = {
    "a false detection, with hosts that freeze and boot": (3, (D.SUSPICION, D.FREEZE, D.REBOOT)),
    "fenced, clean, lifted and failed again, with late acts": (3, (D.SUSPICION, D.LEADER_CHANGE)),
    "a create in flight when hostd is killed and releases": (4, (D.HOSTD_KILLED, D.STOP)),
    "a QEMU that is killed during a false detection": (3, (D.QEMU_KILLED, D.SUSPICION, D.STOP)),
    "revoked while it is taken": (3, (D.REVOKE, D.LEADER_CHANGE, D.FREEZE)),
    "restored twice, with and without a backup": (2, (D.RESTORE, D.STATUS_LOST, D.SUSPICION)),
    "a migration whose reply is lost, and a source that dies": (3, (D.MIGRATION, D.REPLY_LOST, D.REBOOT)),
    "a post-copy whose link breaks, and hosts that die": (
        3,
        (D.MIGRATION, D.POST_COPY, D.LINK_LOST, D.REBOOT, D.QEMU_KILLED),
    ),
    "a post-copy whose hostds are killed, during a false detection": (
        3,
        (D.MIGRATION, D.POST_COPY, D.HOSTD_KILLED, D.SUSPICION, D.FREEZE),
    ),
    "a migration during a false detection": (3, (D.MIGRATION, D.SUSPICION, D.HOSTD_KILLED)),
}


@pytest.mark.parametrize(("disturbances", "kinds"), SCENARIOS.values(), ids=SCENARIOS.keys())
def test_no_qemu_runs_twice_and_nothing_is_stuck_in(disturbances: int, kinds: tuple[D, ...]) -> None:
    setting = Setting(runs_already=True).only(disturbances, *kinds)
    outcome = explore(OneDisk(setting))
    assert outcome.broken is None, str(outcome)


def test_no_qemu_runs_twice_whatever_two_things_go_wrong() -> None:
    outcome = explore(OneDisk(Setting(disturbances=2)))
    assert outcome.broken is None, str(outcome)
    assert outcome.states > 50_000


@pytest.mark.soak
def test_no_qemu_runs_twice_whatever_three_things_go_wrong() -> None:
    outcome = explore(OneDisk(Setting(disturbances=3)), limit=3_000_000)
    assert outcome.broken is None, str(outcome)


@pytest.mark.parametrize(
    ("rule", "invariant", "disturbances", "kinds"), NEEDED, ids=[rule.name.lower() for rule, *_ in NEEDED]
)
def test_without_a_rule_there_is_a_counterexample(
    rule: Rule, invariant: str, disturbances: int, kinds: tuple[D, ...]
) -> None:
    setting = Setting(runs_already=True).only(disturbances, *kinds)
    outcome = explore(OneDisk(setting.without(rule)))
    assert outcome.broken == invariant, str(outcome)


def test_each_rule_is_dropped_here_but_the_second_line() -> None:
    assert {rule for rule, *_ in NEEDED} == set(Rule) - {Rule.KEPT_INSTANCES}


def test_instance_entries_are_kept_as_a_second_line_only() -> None:
    kinds = (D.SUSPICION, D.LEADER_CHANGE)
    setting = Setting(runs_already=True).without(Rule.KEPT_INSTANCES).only(3, *kinds)
    assert explore(OneDisk(setting)).broken is None


def test_a_counterexample_is_told_in_sentences_from_the_first_to_the_broken_invariant() -> None:
    setting = Setting(runs_already=True).without(Rule.PROOF).only(1, D.SUSPICION)
    assert str(explore(OneDisk(setting))).splitlines()[1:] == [
        "  1 the leader thinks h0 dead and intends to fence it",
        "  2 the leader frees the claim of h0",
        "  3 the leader assigns the VM to h1 under epoch 2",
        "  4 hostd h1 reads that it is assigned the VM under epoch 2",
        "  5 hostd h1 has the claim under epoch 2 and orders a create",
        "  6 libvirtd h1 starts a QEMU",
    ]


def test_a_search_that_grows_beyond_its_limit_says_so() -> None:
    with pytest.raises(TooManyStatesError):
        explore(OneDisk(Setting()), limit=100)
