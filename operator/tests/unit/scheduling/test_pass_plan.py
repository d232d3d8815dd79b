"""One pass over all VMs: who changes its seat, and that nothing is left to do afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_api import VirtualMachine
from quantix_operator.scheduling.assignments import Seat, VmFacts
from quantix_operator.scheduling.model import GIB, HOST_LABEL, Guest, HostView
from quantix_operator.scheduling.observe import Candidate, Observed
from quantix_operator.scheduling.pass_plan import PassPlan, plan_pass

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def candidate(name: str, facts: VmFacts, **different: Any) -> Candidate:
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    usual: dict[str, Any] = {"vcpus": 1, "memory_bytes": 2 * GIB}
    guest = Guest(uid=f"uid-{name}", namespace="default", name=name, **(usual | different))
    return Candidate(VirtualMachine.parse({"metadata": metadata, "spec": {}}), facts, guest)


def hosts(*gib: int) -> tuple[HostView, ...]:
    return tuple(
        HostView(f"h{number}", 16_000, size * GIB, {HOST_LABEL: f"h{number}"})
        for number, size in enumerate(gib, 1)
    )


def seats(plan: PassPlan) -> dict[str, Seat]:
    return {change.vm.metadata.name: change.seat for change in plan.changes}


def test_two_vms_that_want_the_last_room_do_not_both_get_it() -> None:
    observed = Observed(hosts(3), (candidate("a", VmFacts(Seat())), candidate("b", VmFacts(Seat()))))
    plan = plan_pass(observed, NOW)
    assert seats(plan) == {"a": Seat("h1", 1), "b": Seat()}
    assert [change.urgent for change in plan.changes] == [True, False]


def test_the_room_of_a_vm_that_gives_up_its_host_is_free_in_the_same_pass() -> None:
    leaving = VmFacts(Seat("h1", 4), power_state="Stopped", observed_epoch=4, domain_absent=True)
    observed = Observed(hosts(3), (candidate("old", leaving), candidate("new", VmFacts(Seat()))))
    assert seats(plan_pass(observed, NOW)) == {"old": Seat(None, 5, last_host="h1"), "new": Seat("h1", 1)}


def test_a_vm_that_comes_back_with_its_host_gets_a_new_epoch_in_one_write() -> None:
    back = VmFacts(Seat("h1", 4), observed_epoch=4, domain_absent=True, last_exit="HostShutdown")
    assert seats(plan_pass(Observed(hosts(3), (candidate("a", back),)), NOW)) == {"a": Seat("h1", 5)}


def test_a_vm_that_comes_back_and_fits_nowhere_loses_its_host_at_once() -> None:
    back = VmFacts(Seat("h1", 4), observed_epoch=4, domain_absent=True, last_exit="HostShutdown")
    (change,) = plan_pass(Observed(hosts(1), (candidate("a", back),)), NOW).changes
    homeless = Seat(None, 5, last_host="h1")
    assert (change.seat, change.scheduled.reason, change.urgent) == (homeless, "NotEnoughMemory", True)


def test_a_vm_that_is_not_prepared_takes_no_room() -> None:
    waiting = VmFacts(Seat(), prepared=False)
    observed = Observed(hosts(3), (candidate("a", waiting), candidate("b", VmFacts(Seat()))))
    assert seats(plan_pass(observed, NOW)) == {"b": Seat("h1", 1)}


def test_a_held_vm_says_so() -> None:
    ended = VmFacts(Seat("h1", 4), observed_epoch=4, domain_absent=True, last_exit="GuestShutdown")
    (change,) = plan_pass(Observed(hosts(3), (candidate("a", ended),)), NOW).changes
    assert (change.scheduled.reason, change.seat.hold) == ("Held", "GuestShutdown")


def under_a_newer_spec(facts: VmFacts, reason: str, **different: Any) -> Candidate:
    """A VM whose Scheduled is about generation 1, and whose spec is of generation 2."""
    item = candidate("a", facts, **different)
    said = {"type": "Scheduled", "status": "True", "reason": reason, "observedGeneration": 1}
    metadata = {"name": "a", "namespace": "default", "uid": "uid-a", "generation": 2}
    vm = VirtualMachine.parse({"metadata": metadata, "spec": {}, "status": {"conditions": [said]}})
    return replace(item, vm=vm)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (VmFacts(Seat("h1", 4), observed_epoch=4), "Assigned"),
        (VmFacts(Seat(None, 5), power_state="Stopped"), "NotWanted"),
        (VmFacts(Seat(None, 5, "GuestShutdown")), "Held"),
        (VmFacts(Seat()), "NotEnoughMemory"),
    ],
)
def test_what_still_holds_is_said_again_of_a_newer_spec_and_is_no_news(facts: VmFacts, reason: str) -> None:
    item = under_a_newer_spec(facts, reason, memory_bytes=64 * GIB)
    (change,) = plan_pass(Observed(hosts(3), (item,)), NOW).changes
    assert (change.seat, change.scheduled.reason, change.news) == (facts.seat, reason, False)


@pytest.mark.parametrize(
    "facts",
    [VmFacts(Seat("h1", 4), deleting=True), VmFacts(Seat(), prepared=False)],
    ids=["on its way out", "not looked at"],
)
def test_nothing_is_said_again_of_a_vm_that_the_scheduler_does_not_decide_on(facts: VmFacts) -> None:
    assert plan_pass(Observed(hosts(3), (under_a_newer_spec(facts, "Assigned"),)), NOW).changes == ()


def test_another_reason_than_before_is_news() -> None:
    item = under_a_newer_spec(VmFacts(Seat()), "NotEnoughCPU", memory_bytes=64 * GIB)
    (change,) = plan_pass(Observed(hosts(3), (item,)), NOW).changes
    assert (change.scheduled.reason, change.news) == ("NotEnoughMemory", True)


worlds = st.builds(
    Observed,
    st.lists(st.integers(1, 8), max_size=3).map(lambda gib: hosts(*gib)),
    st.lists(
        st.builds(
            lambda name, host, epoch, heard, state, absent, last: candidate(
                name,
                VmFacts(
                    Seat(host, epoch),
                    power_state=state,
                    observed_epoch=epoch if heard else 0,
                    domain_absent=absent,
                    last_exit=last,
                ),
            ),
            st.sampled_from("abcdef"),
            st.sampled_from([None, "h1", "h2"]),
            st.integers(1, 3),
            st.booleans(),
            st.sampled_from(["Running", "Stopped"]),
            st.booleans(),
            st.sampled_from(["", "Requested", "GuestShutdown", "HostShutdown"]),
        ),
        unique_by=lambda item: item.vm.metadata.name,
    ).map(tuple),
)


@given(worlds)
def test_after_a_pass_was_carried_out_nobody_changes_its_seat(observed: Observed) -> None:
    changed = seats(plan_pass(observed, NOW))
    after = replace(
        observed,
        candidates=tuple(
            replace(item, facts=replace(item.facts, seat=changed.get(item.vm.metadata.name, item.facts.seat)))
            for item in observed.candidates
        ),
    )
    again = plan_pass(after, NOW)
    now = {item.vm.metadata.name: item.facts.seat for item in after.candidates}
    assert {name: seat for name, seat in seats(again).items() if seat != now[name]} == {}
    assert not any(change.urgent for change in again.changes)
