"""What the operator sees of a VM before it decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from quantix_api import VirtualMachine
from quantix_api.resources import (
    NAMESPACES,
    QUANTIX_RESOURCES,
    VIRTUAL_MACHINE_MIGRATIONS,
    VIRTUAL_MACHINES,
)
from quantix_client.api import ApiClient
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.scheduling.eligible import Obstacle
from quantix_operator.scheduling.sizing import Sizing
from quantix_operator.virtualmachine.observe import observe
from quantix_operator.virtualmachine.observed import Observed


@pytest.mark.parametrize(
    ("spec", "of_type"),
    [
        ({"cpu": {"dedicated": True}}, {"cpu": {}, "memory": {}}),
        ({}, {"cpu": {"dedicated": True}, "memory": {}}),
    ],
)
async def test_a_vm_whose_type_went_is_judged_by_what_it_was_given(
    spec: dict[str, Any], of_type: dict[str, Any]
) -> None:
    found = await seen({"instanceType": "gone", **spec}, {**of_type, "name": "gone"})
    assert (found.obstacle, found.no_room) == (None, None)
    assert found.sizing == Sizing(2, 2, "2Gi", "2Gi", dedicated=True)


async def test_what_was_kept_of_a_type_without_its_name_still_counts() -> None:
    found = await seen({"instanceType": "gone"}, {"cpu": {}, "memory": {}})
    assert (found.obstacle, found.sizing) == (None, Sizing(2, 2, "2Gi", "2Gi"))


@pytest.mark.parametrize("of_type", [{"name": "small", "cpu": {}, "memory": {}}, None], ids=["small", "none"])
async def test_a_type_that_never_was_is_none_that_went(of_type: dict[str, Any] | None) -> None:
    lack = Obstacle("InstanceTypeNotFound", {"name": "nope"})
    without_host = await seen({"instanceType": "nope"}, of_type)
    assert (without_host.sizing, without_host.obstacle, without_host.no_room) == (None, lack, None)
    heard: dict[str, Any] = {
        "assignment": {"host": "h1", "epoch": 2},
        "runtime": {"observedEpoch": 2, "domain": "Present"},
    }
    running = await seen({"instanceType": "nope"}, of_type, **heard)
    assert (running.sizing, running.obstacle) == (None, None)
    assert running.no_room == Obstacle("InstanceTypeNotFound", {"missing": "nope"})


@pytest.mark.parametrize(
    ("epoch", "outcome", "running"), [(3, "Running", True), (2, "Running", False), (3, "Gone", False)]
)
async def test_a_guest_that_came_by_a_migration_runs_before_its_host_is_heard(
    epoch: int, outcome: str, running: bool
) -> None:
    """What was decided for it stays: nothing starts anew."""
    status: dict[str, Any] = {"virtualMachineUID": "uid-web", "sourceHost": "h1", "targetHost": "h2"}
    status |= {"target": {"outcome": outcome, "epoch": epoch}}
    about = {"name": "move", "namespace": "a", "uid": "m", "resourceVersion": "1"}
    move = {"metadata": about, "spec": {"virtualMachine": "web"}, "status": status}
    heard_last: dict[str, Any] = {"assignment": {"host": "h2", "epoch": 3}, "runtime": {"observedEpoch": 2}}
    found = await seen({"cpu": {"cores": 2}, "memory": {"size": "2Gi"}}, None, moves=[move], **heard_last)
    assert (found.heard, found.running) == (False, running)


async def seen(
    spec: dict[str, Any], of_type: dict[str, Any] | None, moves: Sequence[Any] = (), **status: Any
) -> Observed:
    """What is observed of a VM that was resolved with that of its type; there are no types."""
    before = {"uuid": "u", "cores": 2, "memory": "2Gi"} | ({"ofType": of_type} if of_type else {})
    metadata = {"name": "web", "namespace": "a", "uid": "uid-web", "resourceVersion": "1"}
    cache = Cache((*QUANTIX_RESOURCES, NAMESPACES))
    status = {"resolved": before, **status}
    cache.put(VIRTUAL_MACHINES, {"metadata": metadata, "spec": spec, "status": status})
    for move in moves:
        cache.put(VIRTUAL_MACHINE_MIGRATIONS, move)
    objects = Objects(cache)
    return await observe(cast(ApiClient, None), objects, objects.list(VirtualMachine)[0])
