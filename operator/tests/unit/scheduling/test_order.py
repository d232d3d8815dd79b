"""`ha.after` and priorities at a start: who waits for whom, how long, and what is said meanwhile."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quantix_api import VirtualMachine
from quantix_api.host_labels import HOST_LABEL
from quantix_operator.scheduling.assignments import Assignment, VmFacts
from quantix_operator.scheduling.model import GIB, Guest, HostView
from quantix_operator.scheduling.observe import Candidate, Observed
from quantix_operator.scheduling.order import Awaited, Neighbours, awaited, is_up
from quantix_operator.scheduling.pass_plan import Change, plan_pass

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
UNTIL = "12:02:00 UTC"


def vm(name: str, *after: str, conditions: Any = (), status: Any = None, **spec: Any) -> VirtualMachine:
    ha = {"after": list(after), **spec.pop("ha", {})}
    manifest = {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "generation": 1},
        "spec": {"ha": ha, **spec},
        "status": {"conditions": list(conditions), **(status or {})},
    }
    return VirtualMachine.parse(manifest)


def up(
    name: str, *after: str, ready: str = "True", reason: str = "Running", heard: int = 3
) -> VirtualMachine:
    status = {"assignment": {"host": "h1", "epoch": 3}, "runtime": {"observedEpoch": heard}}
    conditions = [{"type": "Ready", "status": ready, "reason": reason}]
    return vm(name, *after, conditions=conditions, status=status)


def scheduled(status: str, reason: str, ago_s: float = 0.0) -> list[dict[str, Any]]:
    at = (NOW - timedelta(seconds=ago_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [{"type": "Scheduled", "status": status, "reason": reason, "lastTransitionTime": at}]


def passed(*vms: VirtualMachine, gib: int = 64, now: datetime = NOW) -> dict[str, Change]:
    """What one pass changes, by name, in its order; those that are up have their host."""
    neighbours = Neighbours(vms)
    candidates = []
    for item in vms:
        name, has_host = item.metadata.name, item.status.assignment is not None
        guest = Guest(item.metadata.uid, "default", name, 1, 2 * GIB, priority=item.spec.ha.priority)
        facts = VmFacts(
            Assignment("h1", 3) if has_host else Assignment(), observed_epoch=3 if has_host else 0
        )
        candidates.append(Candidate(item, facts, guest, awaited(item, neighbours)))
    host = HostView("h1", 64_000, gib * GIB, {HOST_LABEL: "h1"})
    plan = plan_pass(Observed((host,), tuple(candidates)), now)
    return {change.vm.metadata.name: change for change in plan.changes}


def test_a_vm_waits_for_those_that_it_starts_after_and_says_until_when() -> None:
    changes = passed(vm("web", "db"), vm("db"))
    assert changes["db"].assignment == Assignment("h1", 1)
    waiting = changes["web"]
    assert (waiting.assignment, waiting.urgent, waiting.news) == (Assignment(), True, True)
    assert (waiting.scheduled.status, waiting.scheduled.reason) == ("Unknown", "WaitingForDependency")
    assert waiting.scheduled.message.startswith(
        f"It waits for db to be Ready, and starts without at {UNTIL}."
    )


def test_once_they_are_ready_it_starts() -> None:
    change = passed(vm("web", "db", conditions=scheduled("Unknown", "WaitingForDependency", 5)), up("db"))[
        "web"
    ]
    assert (change.assignment, change.without) == (Assignment("h1", 1), ())


@pytest.mark.parametrize(
    ("db", "is_ready"),
    [
        (up("db"), True),
        (up("db", ready="False", reason="GuestNotReady"), False),
        (up("db", reason="Paused"), False),
        (up("db", heard=2), False),
        (vm("db", conditions=[{"type": "Ready", "status": "True", "reason": "Stopped"}]), False),
        (None, False),
    ],
    ids=["running", "readiness not met", "paused", "said under another assignment", "stopped", "not there"],
)
def test_ready_is_what_the_host_that_has_it_says_of_a_running_guest(
    db: VirtualMachine | None, is_ready: bool
) -> None:
    assert is_up(db) is is_ready


def test_after_the_time_it_starts_without_them_and_tells_it() -> None:
    late = vm("web", "db", conditions=scheduled("Unknown", "WaitingForDependency", 120))
    change = passed(late)["web"]
    assert (change.assignment, change.without) == (Assignment("h1", 1), ("db (not there)",))


def test_the_time_counts_from_when_the_wait_was_told() -> None:
    waiting = vm("web", "db", conditions=scheduled("Unknown", "WaitingForDependency", 119))
    change = passed(waiting)["web"]
    assert (change.assignment, change.urgent, change.news) == (Assignment(), False, False)
    assert "starts without at 12:00:01 UTC" in change.scheduled.message


def test_a_time_of_zero_waits_for_nobody() -> None:
    assert passed(vm("web", "db", ha={"afterTimeoutSeconds": 0}))["web"].assignment == Assignment("h1", 1)


def test_a_clock_that_was_set_back_does_not_prolong_the_wait() -> None:
    waiting = vm("web", "db", conditions=scheduled("Unknown", "WaitingForDependency", -86_400))
    assert passed(waiting)["web"].assignment == Assignment("h1", 1)


def test_a_vm_that_was_let_through_and_waits_for_room_is_not_sent_back() -> None:
    refused = vm("web", "db", conditions=scheduled("False", "NotEnoughMemory"))
    assert passed(refused)["web"].assignment == Assignment("h1", 1)


@pytest.mark.parametrize("reason", ["NotWanted", "Held"])
def test_a_vm_that_is_started_again_waits_again(reason: str) -> None:
    change = passed(vm("web", "db", conditions=scheduled("False", reason, 9_999)))["web"]
    assert change.scheduled.reason == "WaitingForDependency"


@pytest.mark.parametrize(
    ("db", "told"),
    [
        (None, "db (not there)"),
        (vm("db", powerState="Stopped"), "db (to be stopped)"),
        (vm("db"), "db"),
    ],
)
def test_those_that_will_not_be_ready_by_themselves_are_told_so(db: VirtualMachine | None, told: str) -> None:
    found = awaited(vm("web", "db"), Neighbours([db] if db is not None else []))
    assert found == Awaited((told,))


def test_a_vm_that_is_being_deleted_is_told_so() -> None:
    db = up("db")
    db = db.model_copy(update={"metadata": db.metadata.model_copy(update={"deletion_timestamp": NOW})})
    assert awaited(vm("web", "db"), Neighbours([db])) == Awaited(("db (being deleted)",))


def test_those_that_wait_for_each_other_are_named_and_start_after_the_time() -> None:
    circle = [vm("a", "b"), vm("b", "c"), vm("c", "a"), vm("d", "a")]
    changes = passed(*circle)
    # not d, which only waits for them
    assert "d, a" not in changes["d"].scheduled.message
    assert changes["a"].scheduled.message.startswith(
        f"a, b wait for each other to be Ready; it starts without at {UNTIL}."
    )
    assert changes["d"].scheduled.message.startswith("It waits for a to be Ready")
    told = scheduled("Unknown", "WaitingForDependency", 120)
    late = [vm(item.metadata.name, *item.spec.ha.after, conditions=told) for item in circle]
    assert {change.assignment.host for change in passed(*late).values()} == {"h1"}


def test_a_vm_that_names_itself_waits_for_nobody() -> None:
    assert passed(vm("web", "web"))["web"].assignment == Assignment("h1", 1)


def test_a_circle_is_open_where_one_of_it_is_up() -> None:
    found = awaited(vm("a", "b"), Neighbours([vm("a", "b"), vm("b", "c"), up("c", "a")]))
    assert found == Awaited(("b",))


def test_who_names_whom_takes_a_pass_no_longer_than_there_are_names() -> None:
    count, looked_at = 400, 0

    class Watched(Neighbours):
        def get(self, name: str) -> VirtualMachine | None:
            nonlocal looked_at
            looked_at += 1
            return super().get(name)

    vms = [vm(f"v{n}", *(f"v{n + k}" for k in range(1, 17))) for n in range(count)]
    neighbours = Watched(vms)
    began_s = time.process_time()
    found = [awaited(item, neighbours) for item in vms]
    assert all(item is not None and not item.circle for item in found)
    assert looked_at <= 2 * 16 * count
    # a walk for each name takes 13 s
    assert time.process_time() - began_s < 5


def test_a_vm_that_runs_is_left_alone_whatever_it_names() -> None:
    assert passed(up("web", "db"), vm("db", powerState="Stopped")).keys() == {"db"}


def test_what_waits_for_its_turn_takes_no_room() -> None:
    changes = passed(vm("a", "b"), vm("b"), gib=3)
    assert (changes["a"].assignment.host, changes["b"].assignment.host) == (None, "h1")


def test_of_those_that_wait_for_room_the_highest_priority_is_first_in_place_and_in_time() -> None:
    vms = [vm(name, ha={"priority": number}) for name, number in (("a", 1), ("b", 900), ("c", 500))]
    changes = passed(*vms, gib=5)
    assert list(changes) == ["b", "c", "a"]
    assert [change.assignment.host for change in changes.values()] == ["h1", "h1", None]
