"""Volumes that come in a crowd are few looks at their pool, and few writes of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from quantix_api.resources import HOSTS, QUANTIX_RESOURCES, STORAGE_POOLS, VIRTUAL_MACHINES, VOLUMES
from quantix_lab.clocks import ManualClock
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.storagepool.controller import StoragePoolController, _pools_of

from ..owning_api import OwningApi


def pool() -> dict[str, Any]:
    metadata = {"name": "local", "uid": "pool", "resourceVersion": "1", "generation": 1}
    return {"metadata": metadata, "spec": {"dir": {"path": "/pool"}, "default": True}}


def volume(number: int) -> dict[str, Any]:
    metadata = {"name": f"v{number}", "namespace": "a", "uid": f"v{number}", "resourceVersion": str(number)}
    return {"metadata": metadata, "spec": {"size": "1Gi"}, "status": {"host": "h1"}}


class World:
    def __init__(self) -> None:
        self.clock, self.api, self.cache = ManualClock(), OwningApi(pool()), Cache(QUANTIX_RESOURCES)
        context: Any = SimpleNamespace(api=self.api, cache=self.cache, clock=self.clock)
        self.controller = StoragePoolController(context, Objects(self.cache))
        self.cache.put(STORAGE_POOLS, pool())

    async def settle(self) -> None:
        """As the queue does it, until nothing is due any more."""
        while (again_s := await self.controller.reconcile("local")) is not None:
            await self.clock.advance(again_s)


@pytest.fixture
def world() -> World:
    return World()


async def test_the_first_volume_is_told_at_once_for_a_pool_with_volumes_is_not_deleted(world: World) -> None:
    await world.settle()
    assert world.api.told[-1]["allocated"] == "0"
    await world.clock.advance(0.2)
    world.cache.put(VOLUMES, volume(2))
    assert await world.controller.reconcile("local") is None
    assert world.api.told[-1]["allocated"] == "1Gi"


async def test_two_hundred_volumes_within_two_seconds_are_a_handful_of_writes(world: World) -> None:
    await world.settle()
    for number in range(2, 202):
        world.cache.put(VOLUMES, volume(number))
        await world.controller.reconcile("local")
        await world.clock.advance(0.01)
    await world.settle()
    assert world.api.told[-1]["allocated"] == "200Gi"
    assert len(world.api.told) <= 5


async def test_what_else_there_is_to_say_does_not_wait_for_the_amounts(world: World) -> None:
    world.cache.put(VOLUMES, volume(2))
    await world.settle()
    await world.clock.advance(0.2)
    host = {"metadata": {"name": "h1", "uid": "h1", "resourceVersion": "3"}, "spec": {}}
    reached = [{"name": "local", "state": "Reachable", "capacity": "100Gi", "available": "50Gi"}]
    world.cache.put(HOSTS, {**host, "status": {"pools": reached}})
    assert await world.controller.reconcile("local") is None
    assert world.api.told[-1]["hosts"] == 1


def vm(version: int, *pools: str) -> dict[str, Any]:
    metadata = {"name": "web", "namespace": "a", "uid": "web", "resourceVersion": str(version)}
    disks = [{"name": f"d{number}", "pool": pool} for number, pool in enumerate(pools)]
    return {"metadata": metadata, "spec": {"disks": [{"name": "root"}, *disks]}}


async def test_a_vm_that_names_it_is_told_at_once_and_that_it_does_no_more_too(world: World) -> None:
    await world.settle()
    assert world.api.told[-1]["virtualMachines"] == 0
    for version, pools, said in ((2, ("local", "local"), 1), (3, ("other",), 0)):
        await world.clock.advance(0.2)
        world.cache.put(VIRTUAL_MACHINES, vm(version, *pools))
        assert list(_pools_of(vm(version, *pools), world.cache)) == ["local"]
        assert await world.controller.reconcile("local") is None
        assert world.api.told[-1]["virtualMachines"] == said
        world.cache.put(STORAGE_POOLS, pool() | {"status": dict(world.api.told[-1])})


async def test_a_vm_that_names_no_pool_wakes_none(world: World) -> None:
    assert list(_pools_of(vm(2), world.cache)) == []
