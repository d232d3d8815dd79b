"""One pass over all VMs: who changes its assignment, and that nothing is left to do afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_api import VirtualMachine
from quantix_api.host_labels import HOST_LABEL
from quantix_operator.scheduling.assignments import Assignment, VmFacts
from quantix_operator.scheduling.model import GIB, Guest, HostView
from quantix_operator.scheduling.observe import Candidate, Observed
from quantix_operator.scheduling.pass_plan import PassPlan, plan_pass

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NEVER = VmFacts(Assignment())
"""Of a VM that never had a host."""


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


def assignments(plan: PassPlan) -> dict[str, Assignment]:
    return {change.vm.metadata.name: change.assignment for change in plan.changes}


def test_two_vms_that_want_the_last_room_do_not_both_get_it() -> None:
    observed = Observed(hosts(3), (candidate("a", NEVER), candidate("b", NEVER)))
    plan = plan_pass(observed, NOW)
    assert assignments(plan) == {"a": Assignment("h1", 1), "b": Assignment()}
    assert [change.urgent for change in plan.changes] == [True, False]


def test_the_room_of_a_vm_that_gives_up_its_host_is_free_in_the_same_pass() -> None:
    leaving = VmFacts(Assignment("h1", 4), power_state="Stopped", observed_epoch=4, domain_absent=True)
    observed = Observed(hosts(3), (candidate("old", leaving), candidate("new", NEVER)))
    assert assignments(plan_pass(observed, NOW)) == {
        "old": Assignment(None, 5, last_host="h1"),
        "new": Assignment("h1", 1),
    }


def test_a_vm_that_comes_back_with_its_host_gets_a_new_epoch_in_one_write() -> None:
    back = VmFacts(Assignment("h1", 4), observed_epoch=4, domain_absent=True, last_exit="HostShutdown")
    assert assignments(plan_pass(Observed(hosts(3), (candidate("a", back),)), NOW)) == {
        "a": Assignment("h1", 5)
    }


def test_a_vm_that_comes_back_and_fits_nowhere_loses_its_host_at_once() -> None:
    back = VmFacts(Assignment("h1", 4), observed_epoch=4, domain_absent=True, last_exit="HostShutdown")
    (change,) = plan_pass(Observed(hosts(1), (candidate("a", back),)), NOW).changes
    homeless = Assignment(None, 5, last_host="h1", returning=True)
    assert (change.assignment, change.scheduled.reason, change.urgent) == (homeless, "NotEnoughMemory", True)


def test_changes_are_written_in_the_order_of_the_guests_turns() -> None:
    back = VmFacts(Assignment("h1", 4), observed_epoch=4, domain_absent=True, last_exit="HostShutdown")
    never = candidate("a", NEVER)
    observed = Observed(hosts(3), (never, candidate("z", back, returning=True)))
    assert list(assignments(plan_pass(observed, NOW)).items()) == [
        ("z", Assignment("h1", 5)),
        ("a", Assignment()),
    ]


def test_a_vm_that_is_not_prepared_takes_no_room() -> None:
    waiting = VmFacts(Assignment(), prepared=False)
    observed = Observed(hosts(3), (candidate("a", waiting), candidate("b", NEVER)))
    assert assignments(plan_pass(observed, NOW)) == {"b": Assignment("h1", 1)}


def test_a_held_vm_says_so() -> None:
    ended = VmFacts(Assignment("h1", 4), observed_epoch=4, domain_absent=True, last_exit="GuestShutdown")
    (change,) = plan_pass(Observed(hosts(3), (candidate("a", ended),)), NOW).changes
    assert (change.scheduled.reason, change.assignment.hold) == ("Held", "GuestShutdown")


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
        (VmFacts(Assignment("h1", 4), observed_epoch=4), "Assigned"),
        (VmFacts(Assignment(None, 5), power_state="Stopped"), "NotWanted"),
        (VmFacts(Assignment(None, 5, "GuestShutdown")), "Held"),
        (NEVER, "NotEnoughMemory"),
    ],
)
def test_what_still_holds_is_said_again_of_a_newer_spec_and_is_no_news(facts: VmFacts, reason: str) -> None:
    item = under_a_newer_spec(facts, reason, memory_bytes=64 * GIB)
    (change,) = plan_pass(Observed(hosts(3), (item,)), NOW).changes
    assert (change.assignment, change.scheduled.reason, change.news) == (facts.assignment, reason, False)


@pytest.mark.parametrize(
    "facts",
    [VmFacts(Assignment("h1", 4), deleting=True), VmFacts(Assignment(), prepared=False)],
    ids=["on its way out", "not looked at"],
)
def test_nothing_is_said_again_of_a_vm_that_the_scheduler_does_not_decide_on(facts: VmFacts) -> None:
    assert plan_pass(Observed(hosts(3), (under_a_newer_spec(facts, "Assigned"),)), NOW).changes == ()


def test_another_reason_than_before_is_news() -> None:
    item = under_a_newer_spec(NEVER, "NotEnoughCPU", memory_bytes=64 * GIB)
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
                    Assignment(host, epoch),
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
    changed = assignments(plan_pass(observed, NOW))
    after = replace(
        observed,
        candidates=tuple(
            replace(
                item,
                facts=replace(
                    item.facts, assignment=changed.get(item.vm.metadata.name, item.facts.assignment)
                ),
            )
            for item in observed.candidates
        ),
    )
    again = plan_pass(after, NOW)
    now = {item.vm.metadata.name: item.facts.assignment for item in after.candidates}
    assert {
        name: assignment for name, assignment in assignments(again).items() if assignment != now[name]
    } == {}
    assert not any(change.urgent for change in again.changes)
