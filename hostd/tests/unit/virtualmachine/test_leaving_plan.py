"""The laws of a source, whatever it knows and whatever its guest does: what never follows from that."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from quantix_api import VirtualMachine
from quantix_hostd.domainxml.metadata import DomainMetadata
from quantix_hostd.domainxml.view import DomainView, MemoryView
from quantix_hostd.facts.domain import (
    PAUSED_MIGRATING,
    PAUSED_POST_COPY,
    PAUSED_POST_COPY_FAILED,
    DomainSnapshot,
    DomainState,
)
from quantix_hostd.facts.migration import SendingProgress
from quantix_hostd.migration.leaving import Leaving, LeavingRecord, parse_leaving
from quantix_hostd.virtualmachine.actions import (
    Action,
    CreatePaused,
    Define,
    EnsureNoProcess,
    Resume,
    SaveRecord,
)
from quantix_hostd.virtualmachine.desired import HostFacts
from quantix_hostd.virtualmachine.leaving_actions import (
    HandOver,
    RemoveMoved,
    SendGuest,
    StopSending,
    SwitchOver,
)
from quantix_hostd.virtualmachine.leaving_plan import plan_leaving
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.plan import plan_virtual_machine
from quantix_hostd.virtualmachine.record import Record, StopReason
from quantix_lab.assigned_vm import assigned_vm

UID = "0b0e6dc5-0000-4000-8000-000000000001"
FACTS = HostFacts("h1", "c", "this boot", False, True, "pc-q35-7.2")
STEPS = st.sampled_from(["sending", "switching", "handing", "handed", "stays"])
ENDS = st.none() | st.sampled_from(list(StopReason))
MIGRATIONS = st.sampled_from(["m1", "m2"])
KEPT = st.none() | st.builds(
    LeavingRecord,
    MIGRATIONS,
    st.just("h2"),
    STEPS,
    since_s=st.just(1.0),
    epoch=st.just(4),
    uuid=st.just(UID),
    post_copy=st.sampled_from(["", "Possible", "LocalDisks"]),
    switched=st.booleans(),
)
LEAVING = st.none() | st.builds(
    Leaving,
    MIGRATIONS,
    st.just("h2"),
    cancelled=st.booleans(),
    prepared=st.booleans(),
    refusal=st.none() | st.just("no"),
    target_epoch=st.sampled_from([0, 4]),
    went_on=st.booleans(),
    sending=st.booleans(),
    sent=st.booleans(),
    failure=st.sampled_from(["", "broken"]),
    progress=st.none() | st.builds(SendingProgress, *map(st.just, (1, 2, 3, 4)), st.sampled_from([0, 3])),
)
VM = VirtualMachine.parse(assigned_vm("web-1", UID, {}, "h1", {}))
LIVE = DomainView({}, {}, (), DomainMetadata(UID, "default", "web-1", 1, 1), MemoryView(128 << 20))


def domain(state: DomainState, reason: int) -> DomainSnapshot:
    return DomainSnapshot(f"qx-{UID}", UID, state, reason, "<domain/>", "<domain/>")


RUNNING = domain(DomainState.RUNNING, 1)
SENDS_ITS_LAST = domain(DomainState.PAUSED, PAUSED_MIGRATING)
FOR_GOOD = [domain(DomainState.PAUSED, reason) for reason in (PAUSED_POST_COPY, PAUSED_POST_COPY_FAILED)]
DOMAINS = st.none() | st.sampled_from([RUNNING, SENDS_ITS_LAST, *FOR_GOOD])


@dataclass(frozen=True)
class Case:
    """A VM of this host, or one that is another's by now; `domain`: its QEMU, None where that is gone."""

    kept: LeavingRecord | None
    leaving: Leaving | None
    domain: DomainSnapshot | None = None
    now_s: float = 2.0
    mine: bool = True

    @property
    def observed(self) -> Observed:
        record = Record(epoch=1, started=True, boot_id="this boot", leaving=self.kept)
        vm, live = (VM if self.mine else None), (LIVE if self.domain is not None else None)
        known = Observed(UID, vm, FACTS, self.now_s, 0.0, record, leaving=self.leaving)
        return replace(known, domain=self.domain, live=live)

    def actions(self, why: StopReason | None = None) -> tuple[Action, ...]:
        """Of the part that this is about."""
        observed = self.observed
        plan = plan_leaving(observed, observed.record, why)
        return plan.actions if plan is not None else ()


CASES = st.builds(Case, KEPT, LEAVING, DOMAINS, st.sampled_from([2.0, 5000.0]), st.booleans())


@given(CASES, ENDS)
def test_it_is_handed_over_only_when_all_of_it_arrived_or_once_it_was_switched(
    case: Case, why: StopReason | None
) -> None:
    kinds = [type(action) for action in case.actions(why)]
    kept, leaving = case.kept, case.leaving
    known = kept is not None and kept.step == "handing"
    begun = kept is not None and kept.step in ("sending", "switching") and case.mine
    arrived = begun and leaving is not None and leaving.sent and not case.observed.runs
    assert (HandOver in kinds) == (known or arrived or SwitchOver in kinds)
    if SwitchOver in kinds:
        assert begun
        assert kept is not None
        stands_for_good = case.domain is not None and case.domain.stands_for_good
        assert kept.post_copy == "Possible" or stands_for_good
        assert kinds.index(SwitchOver) < kinds.index(HandOver)


@given(CASES, ENDS)
def test_one_that_was_not_switched_is_handed_over_only_after_a_look_that_no_qemu_of_it_is_left(
    case: Case, why: StopReason | None
) -> None:
    """And what was switched is looked for by nobody: its QEMU stands still here, and sends the rest."""
    kinds = [type(action) for action in case.actions(why)]
    if HandOver not in kinds:
        return
    before = kinds[: kinds.index(HandOver)]
    switched = SwitchOver in before or (case.kept is not None and case.kept.switched)
    assert (EnsureNoProcess in before) == (not switched)


def test_what_it_is_broken_off_for_is_said_whatever_is_wished_when_it_has_ended() -> None:
    sends = Case(LeavingRecord("m1", "h2", "sending", 1.0), Leaving("m1", "h2", sending=True), RUNNING)
    stops = plan_leaving(sends.observed, sends.observed.record, StopReason.REQUESTED)
    assert stops is not None
    assert stops.actions[-1] == StopSending()
    ended = replace(sends, kept=stops.record.leaving, leaving=Leaving("m1", "h2", failure="canceled"))
    stays = plan_leaving(ended.observed, ended.observed.record, None)
    assert stays is not None
    assert stays.record.leaving is not None
    kept = stays.record.leaving
    assert (kept.step, kept.reason, kept.message) == ("stays", "NotRunning", "web-1 is to be off.")


@given(CASES)
def test_nothing_starts_once_it_went(case: Case) -> None:
    plan = plan_virtual_machine(case.observed)
    if case.kept is not None and case.kept.gone:
        assert not any(
            isinstance(action, Define | CreatePaused | Resume | SendGuest) for action in plan.actions
        )


@given(CASES)
def test_one_that_stands_still_for_good_never_goes_on_here(case: Case) -> None:
    if case.domain is not None and case.domain.stands_for_good:
        actions = plan_virtual_machine(case.observed).actions
        assert not any(isinstance(action, Resume | SendGuest) for action in actions)


@given(CASES, ENDS)
def test_a_word_that_was_given_holds(case: Case, why: StopReason | None) -> None:
    case = replace(case, mine=True)
    kept, leaving = case.kept, case.leaving
    if kept is not None and kept.step == "stays" and leaving is not None:
        plan = plan_leaving(case.observed, case.observed.record, why)
        assert plan is None or leaving.migration != kept.migration
    if kept is not None and kept.gone:
        saved = [action.record.leaving for action in case.actions(why) if isinstance(action, SaveRecord)]
        assert all(record is None or record.gone for record in saved)


@given(CASES)
def test_its_data_goes_only_when_the_guest_runs_there_or_nobody_will_say_so(case: Case) -> None:
    kept, leaving = case.kept, case.leaving
    for removal in (action for action in case.actions() if isinstance(action, RemoveMoved)):
        assert kept is not None
        assert kept.step == "handed"
        assert leaving is not None
        assert leaving.target_epoch == 4 or (leaving.went_on and removal.unless_ours)
        assert leaving.migration == kept.migration
        assert not case.mine


def test_one_that_is_assigned_here_again_is_looked_after_as_any_other() -> None:
    kept = LeavingRecord("m1", "h2", "handed", epoch=4, uuid=UID)
    assert VM.status.assignment is not None
    later = VM.status.assignment.model_copy(update={"epoch": 5})
    status = VM.status.model_copy(update={"assignment": later})
    back = replace(Case(kept, None).observed, vm=VM.model_copy(update={"status": status}))
    plan = plan_leaving(back, back.record, None)
    assert plan is not None
    saved = [action.record for action in plan.actions if isinstance(action, SaveRecord)]
    assert [(record.leaving, record.released, record.ended) for record in saved] == [(None, False, False)]


def test_it_is_the_same_when_it_was_written_down() -> None:
    kept = LeavingRecord("m1", "h2", "handed", ports=("p1",))
    assert parse_leaving({**vars(kept), "ports": ["p1"]}) == kept
