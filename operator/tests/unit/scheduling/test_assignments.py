"""Who keeps a host, who gives it up, who is held, who asks for a place: the table of transitions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_operator.scheduling.assignments import (
    Assignment,
    Step,
    Transition,
    VmFacts,
    next_epoch,
    transition,
)

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=1)
LATER = NOW + timedelta(minutes=1)

NEW = VmFacts(Assignment())
RUNNING = VmFacts(Assignment("h1", 4), observed_epoch=4)
ENDED = VmFacts(Assignment("h1", 4), observed_epoch=4, domain_absent=True, last_exit="Requested")
BY_ITSELF = replace(ENDED, last_exit="GuestShutdown")
CRASHED = replace(ENDED, last_exit="Crashed", ha_restart="Never")
HELD = VmFacts(Assignment(None, 5, "GuestShutdown"), observed_epoch=4, domain_absent=True)
HELD_CRASHED = replace(HELD, assignment=Assignment(None, 5, "Crashed"), ha_restart="Never")
KILLER = replace(HELD, assignment=Assignment(None, 5, "HostKiller"), ha_restart="Always")
FREE = Assignment(None, 5, last_host="h1")

CASES: dict[str, tuple[VmFacts, Transition]] = {
    "a new VM asks for a place": (NEW, Transition(Step.PLACE, Assignment())),
    "a new VM whose volumes are missing waits": (
        replace(NEW, prepared=False),
        Transition(Step.IDLE, Assignment()),
    ),
    "a new VM that shall be stopped stays away": (
        replace(NEW, power_state="Stopped"),
        Transition(Step.IDLE, Assignment()),
    ),
    "a paused VM needs a host too": (
        replace(NEW, power_state="Paused"),
        Transition(Step.PLACE, Assignment()),
    ),
    "a VM that is being deleted is not placed": (
        replace(NEW, deleting=True),
        Transition(Step.IDLE, Assignment()),
    ),
    "a running VM keeps its host": (RUNNING, Transition(Step.KEEP, Assignment("h1", 4))),
    "a VM that its host has not heard of yet keeps it": (
        replace(RUNNING, observed_epoch=3, domain_absent=True),
        Transition(Step.KEEP, Assignment("h1", 4)),
    ),
    "a VM that shall stop keeps its host until it has": (
        replace(RUNNING, power_state="Stopped"),
        Transition(Step.KEEP, Assignment("h1", 4)),
    ),
    "a VM that its host holds under a later epoch is given that one": (
        replace(RUNNING, claim_epoch=9),
        Transition(Step.KEEP, Assignment("h1", 9)),
    ),
    "what was corrected from the claim is corrected once": (
        VmFacts(Assignment("h1", 9), observed_epoch=4, claim_epoch=9),
        Transition(Step.KEEP, Assignment("h1", 9)),
    ),
    "a claim that was said under an older assignment corrects nothing": (
        replace(RUNNING, observed_epoch=3, claim_epoch=9),
        Transition(Step.KEEP, Assignment("h1", 4)),
    ),
    "a VM that is deleted has its epoch corrected too, or its guest would stay": (
        replace(RUNNING, claim_epoch=9, deleting=True),
        Transition(Step.KEEP, Assignment("h1", 9)),
    ),
    "a VM whose volumes were released under a later epoch is placed above it": (
        replace(ENDED, claim_epoch=9),
        Transition(Step.PLACE, replace(FREE, epoch=10)),
    ),
    "a stopped VM gives up its host": (
        replace(ENDED, power_state="Stopped"),
        Transition(Step.GIVE_UP, FREE),
    ),
    "a stopped VM that is wanted again asks for a place": (ENDED, Transition(Step.PLACE, FREE)),
    "a VM that ended with its host comes back by itself": (
        replace(ENDED, last_exit="HostShutdown"),
        Transition(Step.PLACE, replace(FREE, returning=True)),
    ),
    "a VM that ended with its host and shall be stopped does not return": (
        replace(ENDED, last_exit="HostShutdown", power_state="Stopped"),
        Transition(Step.GIVE_UP, FREE),
    ),
    "a VM that ended with its host waits as such": (
        replace(HELD, assignment=replace(FREE, returning=True), last_exit="HostShutdown"),
        Transition(Step.PLACE, replace(FREE, returning=True)),
    ),
    "a VM that ended with its host and is stopped meanwhile returns no more": (
        replace(
            HELD,
            assignment=replace(FREE, returning=True),
            last_exit="HostShutdown",
            power_state="Stopped",
        ),
        Transition(Step.IDLE, FREE),
    ),
    "a guest that powered itself off is held": (
        BY_ITSELF,
        Transition(Step.GIVE_UP, replace(FREE, hold="GuestShutdown")),
    ),
    "a guest that powered itself off comes back with ha.restart Always": (
        replace(BY_ITSELF, ha_restart="Always"),
        Transition(Step.PLACE, FREE),
    ),
    "a guest that powered itself off and shall be stopped is just stopped": (
        replace(BY_ITSELF, power_state="Stopped"),
        Transition(Step.GIVE_UP, FREE),
    ),
    "a crash whose host let go before ha.restart was set is placed anew": (
        replace(CRASHED, ha_restart="OnFailure"),
        Transition(Step.PLACE, FREE),
    ),
    "a crash that nothing brings back is held": (
        CRASHED,
        Transition(Step.GIVE_UP, replace(FREE, hold="Crashed")),
    ),
    "a crashed VM that shall be stopped gives up its host": (
        replace(CRASHED, ha_restart="OnFailure", power_state="Stopped"),
        Transition(Step.GIVE_UP, FREE),
    ),
    "a deleted VM's assignment is left to the deletion": (
        replace(ENDED, deleting=True),
        Transition(Step.KEEP, Assignment("h1", 4)),
    ),
    "a held VM stays held": (HELD, Transition(Step.HELD, HELD.assignment)),
    "seeing Stopped ends the hold": (
        replace(HELD, power_state="Stopped"),
        Transition(Step.IDLE, Assignment(None, 5)),
    ),
    "a newer restart lifts the hold": (
        replace(HELD, restart_at=EARLIER),
        Transition(Step.PLACE, HELD.assignment),
    ),
    "a restart that was done lifts nothing": (
        replace(HELD, restart_at=EARLIER, handled_restart_at=EARLIER),
        Transition(Step.HELD, HELD.assignment),
    ),
    "a restart in the future is looked at when it is due": (
        replace(HELD, restart_at=LATER),
        Transition(Step.HELD, HELD.assignment, LATER),
    ),
    "ha.restart Always lifts the hold of a guest that went by itself": (
        replace(HELD, ha_restart="Always"),
        Transition(Step.PLACE, HELD.assignment),
    ),
    "ha.restart OnFailure lifts the hold of a crash": (
        replace(HELD_CRASHED, ha_restart="OnFailure"),
        Transition(Step.PLACE, HELD_CRASHED.assignment),
    ),
    "no ha.restart lifts the hold of a guest that kills hosts": (
        KILLER,
        Transition(Step.HELD, KILLER.assignment),
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_course(case: str) -> None:
    vm, expected = CASES[case]
    assert transition(vm, NOW) == expected


def test_a_new_epoch_is_above_everything_ever_heard_of() -> None:
    assert next_epoch(replace(NEW, observed_epoch=9)) == 10
    assert next_epoch(replace(NEW, observed_epoch=9, claim_epoch=12)) == 13


facts = st.builds(
    VmFacts,
    assignment=st.builds(
        Assignment,
        st.sampled_from([None, "h1"]),
        st.integers(0, 3),
        st.sampled_from([None, "GuestShutdown", "Crashed", "HostKiller"]),
        st.sampled_from([None, "h2"]),
    ),
    power_state=st.sampled_from(["Running", "Stopped", "Paused"]),
    ha_restart=st.sampled_from(["OnFailure", "Always", "Never"]),
    restart_at=st.sampled_from([None, EARLIER, LATER]),
    handled_restart_at=st.sampled_from([None, EARLIER]),
    observed_epoch=st.integers(0, 3),
    claim_epoch=st.integers(0, 5),
    domain_absent=st.booleans(),
    last_exit=st.sampled_from(["", "Requested", "GuestShutdown", "HostShutdown", "Crashed", "Killed"]),
    deleting=st.booleans(),
    prepared=st.booleans(),
)


@given(facts)
def test_a_host_is_only_left_with_a_higher_epoch(vm: VmFacts) -> None:
    """The rule of the API server: same epoch, same host."""
    assignment = transition(vm, NOW).assignment
    assert assignment.epoch > vm.assignment.epoch or (assignment.epoch, assignment.host) == (
        vm.assignment.epoch,
        vm.assignment.host,
    )


@given(facts)
def test_who_has_no_host_remembers_the_last_one(vm: VmFacts) -> None:
    assignment = transition(vm, NOW).assignment
    if assignment.host is None:
        assert assignment.last_host == (vm.assignment.host or vm.assignment.last_host)


@given(facts)
def test_a_host_is_only_left_when_it_let_go(vm: VmFacts) -> None:
    if vm.assignment.host is not None and transition(vm, NOW).assignment.host is None:
        assert vm.observed_epoch == vm.assignment.epoch
        assert vm.domain_absent


@given(facts)
def test_the_course_of_a_settled_seat_asks_for_no_other_seat(vm: VmFacts) -> None:
    """After the write the same wish leads to the same assignment: nothing swings to and fro."""
    assignment = transition(vm, NOW).assignment
    assert transition(replace(vm, assignment=assignment), NOW).assignment == assignment
