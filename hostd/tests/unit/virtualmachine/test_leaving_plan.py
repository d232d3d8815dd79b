"""The laws of a source, whatever happens: what never follows from what it knows."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from quantix_api import VirtualMachine
from quantix_hostd.facts.migration import SendingProgress
from quantix_hostd.migration.leaving import Leaving, LeavingRecord, parse_leaving
from quantix_hostd.virtualmachine.actions import CreatePaused, Define, EnsureNoProcess, Resume, SaveRecord
from quantix_hostd.virtualmachine.desired import HostFacts
from quantix_hostd.virtualmachine.leaving_actions import HandOver, RemoveMoved, SendGuest, SwitchOver
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


def seen(kept: LeavingRecord | None, leaving: Leaving | None, now_s: float, *, mine: bool) -> Observed:
    """A VM of this host whose QEMU is gone, or which is another's by now."""
    record = Record(epoch=1, started=True, boot_id="this boot", leaving=kept)
    return Observed(UID, VM if mine else None, FACTS, now_s, 0.0, record, leaving=leaving)


@given(KEPT, LEAVING, ENDS, st.sampled_from([2.0, 5000.0]), st.booleans())
def test_it_is_handed_over_only_when_all_of_it_arrived_or_once_it_was_switched(
    kept: LeavingRecord | None, leaving: Leaving | None, why: StopReason | None, now_s: float, mine: bool
) -> None:
    observed = seen(kept, leaving, now_s, mine=mine)
    plan = plan_leaving(observed, observed.record, why)
    kinds = [type(action) for action in plan.actions] if plan is not None else []
    known = kept is not None and kept.step == "handing"
    begun = kept is not None and kept.step in ("sending", "switching") and mine
    arrived = begun and leaving is not None and leaving.sent
    assert (HandOver in kinds) == (known or arrived or SwitchOver in kinds)
    if SwitchOver in kinds:
        assert begun
        assert kept is not None
        assert kept.post_copy == "Possible"
        assert kinds.index(SwitchOver) < kinds.index(HandOver)


@given(KEPT, LEAVING, ENDS, st.booleans())
def test_no_qemu_that_was_sent_whole_is_taken_for_ended_and_none_that_was_switched_for_left_over(
    kept: LeavingRecord | None, leaving: Leaving | None, why: StopReason | None, mine: bool
) -> None:
    observed = seen(kept, leaving, 2.0, mine=mine)
    plan = plan_leaving(observed, observed.record, why)
    if plan is not None and kept is not None and kept.step == "handing":
        scanned = any(isinstance(action, EnsureNoProcess) for action in plan.actions)
        assert scanned == (not kept.switched)


@given(KEPT, LEAVING, st.sampled_from([2.0, 5000.0]), st.booleans())
def test_nothing_starts_once_it_went(
    kept: LeavingRecord | None, leaving: Leaving | None, now_s: float, mine: bool
) -> None:
    plan = plan_virtual_machine(seen(kept, leaving, now_s, mine=mine))
    if kept is not None and kept.gone:
        assert not any(
            isinstance(action, Define | CreatePaused | Resume | SendGuest) for action in plan.actions
        )


@given(KEPT, LEAVING, ENDS)
def test_a_word_that_was_given_holds(
    kept: LeavingRecord | None, leaving: Leaving | None, why: StopReason | None
) -> None:
    observed = seen(kept, leaving, 2.0, mine=True)
    plan = plan_leaving(observed, observed.record, why)
    if kept is not None and kept.step == "stays" and leaving is not None:
        assert plan is None or leaving.migration != kept.migration
    if kept is not None and kept.gone and plan is not None:
        saved = [action.record.leaving for action in plan.actions if isinstance(action, SaveRecord)]
        assert all(record is None or record.gone for record in saved)


@given(KEPT, LEAVING, st.booleans())
def test_its_data_goes_only_when_the_guest_runs_there_or_nobody_will_say_so(
    kept: LeavingRecord | None, leaving: Leaving | None, mine: bool
) -> None:
    observed = seen(kept, leaving, 2.0, mine=mine)
    plan = plan_leaving(observed, observed.record, None)
    for removal in (action for action in (plan.actions if plan else ()) if isinstance(action, RemoveMoved)):
        assert kept is not None
        assert kept.step == "handed"
        assert leaving is not None
        assert leaving.target_epoch == 4 or (leaving.went_on and removal.unless_ours)
        assert leaving.migration == kept.migration
        assert not mine


def test_one_that_is_assigned_here_again_is_looked_after_as_any_other() -> None:
    kept = LeavingRecord("m1", "h2", "handed", epoch=4, uuid=UID)
    assert VM.status.assignment is not None
    later = VM.status.assignment.model_copy(update={"epoch": 5})
    status = VM.status.model_copy(update={"assignment": later})
    back = replace(seen(kept, None, 2.0, mine=True), vm=VM.model_copy(update={"status": status}))
    plan = plan_leaving(back, back.record, None)
    assert plan is not None
    saved = [action.record for action in plan.actions if isinstance(action, SaveRecord)]
    assert [(record.leaving, record.released, record.ended) for record in saved] == [(None, False, False)]


def test_it_is_the_same_when_it_was_written_down() -> None:
    kept = LeavingRecord("m1", "h2", "handed", ports=("p1",))
    assert parse_leaving({**vars(kept), "ports": ["p1"]}) == kept
