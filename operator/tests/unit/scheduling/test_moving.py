"""What the scheduler leaves alone, and what it counts, while a VM moves to another host."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from quantix_api.resources import HOSTS, QUANTIX_RESOURCES, VIRTUAL_MACHINE_MIGRATIONS, VIRTUAL_MACHINES
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.scheduling.assignments import Assignment, Step, VmFacts, has_let_go, transition
from quantix_operator.scheduling.observe import is_absent, observe
from quantix_operator.scheduling.pass_plan import plan_pass

NOW = datetime(2026, 11, 1, tzinfo=UTC)
MOVE = {"uid": "uid-move", "sourceHost": "h1", "targetHost": "h2"}


@pytest.mark.parametrize(
    "different",
    [
        {"observed_epoch": 1, "domain_absent": True},
        {"observed_epoch": 1, "claim_epoch": 2},
        {"observed_epoch": 1, "domain_absent": True, "power_state": "Stopped"},
        {"deleting": True},
    ],
    ids=["its source has it no more", "its claims were handed over", "stopped", "deleted"],
)
def test_a_vm_that_moves_keeps_its_assignment(different: dict[str, Any]) -> None:
    facts = VmFacts(Assignment("h1", 1), migrating=True, **different)
    taken = transition(facts, NOW)
    assert (taken.step, taken.assignment) == (Step.KEEP, Assignment("h1", 1))
    assert not has_let_go(facts)


def vm(name: str, host: str = "", **status: Any) -> dict[str, Any]:
    assignment = {"assignment": {"epoch": 1, "host": host}} if host else {}
    metadata = {"name": name, "namespace": "a", "uid": f"uid-{name}", "resourceVersion": "1"}
    spec = {"cpu": {"cores": 1}, "memory": {"size": "10Gi"}, "disks": []}
    return {"metadata": metadata, "spec": spec, "status": {**assignment, **status}}


def two_hosts() -> Cache:
    """Each with room for one VM of ours."""
    cache = Cache(QUANTIX_RESOURCES)
    ready = {"type": "Ready", "status": "True", "reason": "Healthy"}
    for name in ("h1", "h2"):
        status = {"cpus": 8, "memory": "16Gi", "conditions": [ready]}
        cache.put(
            HOSTS,
            {"metadata": {"name": name, "uid": name, "resourceVersion": "1"}, "spec": {}, "status": status},
        )
    return cache


def place_of_new(cache: Cache) -> str:
    """The host of a VM that is new, or why there is none."""
    cache.put(VIRTUAL_MACHINES, vm("new"))
    (change,) = plan_pass(observe(Objects(cache)), NOW).changes
    assert change.vm.metadata.name == "new"
    return change.assignment.host or change.scheduled.reason


def test_its_room_is_taken_on_both_hosts() -> None:
    cache = two_hosts()
    cache.put(VIRTUAL_MACHINES, vm("web", "h1", migration=MOVE))
    assert place_of_new(cache) == "NotEnoughMemory"


@pytest.mark.parametrize(
    ("different", "place"),
    [
        ({}, "NotEnoughMemory"),
        ({"finishedAt": "2026-11-01T00:00:00Z"}, "h2"),
        ({"sourceHost": "h3"}, "h2"),
        ({"virtualMachineUID": "uid-of-a-namesake"}, "h2"),
    ],
    ids=["chosen", "over", "left its host since", "of another VM"],
)
def test_its_room_is_taken_from_the_moment_that_its_hosts_are_chosen(
    different: dict[str, Any], place: str
) -> None:
    cache = two_hosts()
    cache.put(VIRTUAL_MACHINES, vm("web", "h1"))
    chosen = {"virtualMachineUID": "uid-web", "sourceHost": "h1", "targetHost": "h2"}
    metadata = {"name": "move", "namespace": "a", "uid": "uid-move", "resourceVersion": "1"}
    status = {**chosen, "startedAt": "2026-11-01T00:00:00Z", **different}
    move = {"metadata": metadata, "spec": {"virtualMachine": "web"}, "status": status}
    cache.put(VIRTUAL_MACHINE_MIGRATIONS, move)
    assert place_of_new(cache) == place


def test_a_vm_that_moves_is_not_gone_whatever_its_source_says() -> None:
    cache = Cache(QUANTIX_RESOURCES)
    objects = Objects(cache)
    runtime = {"observedEpoch": 1, "domain": "Absent"}
    cache.put(VIRTUAL_MACHINES, vm("web", "h1", runtime=runtime, migration=MOVE))
    cache.put(VIRTUAL_MACHINES, vm("db", "h1", runtime=runtime))
    found = {item.vm.metadata.name: is_absent(item.vm) for item in observe(objects).candidates}
    assert found == {"web": False, "db": True}
