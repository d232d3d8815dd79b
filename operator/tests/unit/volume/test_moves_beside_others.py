"""A disk is promised to another pool while nothing that needs it where it is has begun, or is beginning."""

from __future__ import annotations

import asyncio
import copy

import pytest

from quantix_api.conditions import condition_of
from quantix_api.resources import VIRTUAL_MACHINE_SNAPSHOTS, VIRTUAL_MACHINES, VOLUMES
from quantix_operator.volume.controller import VolumeController

from ..snapshot.snapping_world import SnappingWorld

KEY = "a/web-root"
NAMED = {"uid": "uid-move", "name": "move", "sourceHost": "h1", "targetHost": "h2"}


@pytest.fixture
def world() -> SnappingWorld:
    """A VM whose disk is to go into Ceph."""
    made = SnappingWorld()
    made.vm("web")
    made.wants("web-root", pool="ceph")
    volume = made.live("web-root")
    volume["metadata"]["finalizers"] = ["quantix.io/cleanup"]
    made.api.put(volume)
    made.learn()
    return made


def answer(world: SnappingWorld) -> str:
    """Why it may not go there."""
    return str(condition_of(world.live("web-root"), "MoveGranted").get("reason", ""))


def promised(world: SnappingWorld) -> str:
    return str(world.live("web-root")["status"].get("movingTo", ""))


async def test_a_promise_waits_for_a_pass_that_places_vms_and_counts_with_what_that_wrote(
    world: SnappingWorld,
) -> None:
    controller = VolumeController(world.context, world.objects)
    async with world.context.placing:
        promise = asyncio.create_task(controller.reconcile(KEY))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not promise.done()
        assert promised(world) == ""
        # a pass over migrations names one meanwhile
        vm = copy.deepcopy(world.live("web"))
        world.cache.put(VIRTUAL_MACHINES, world.api.put(vm | {"status": vm["status"] | {"migration": NAMED}}))
    await promise
    assert (promised(world), answer(world)) == ("", "Moving")


async def test_a_promise_to_another_pool_keeps_a_migration_waiting(world: SnappingWorld) -> None:
    world.ask("move")
    world.learn()
    await VolumeController(world.context, world.objects).reconcile(KEY)
    assert promised(world) == "ceph"
    found = world.cache.get(VOLUMES, KEY)
    assert found is not None
    assert found["status"]["movingTo"] == "ceph", "known before anybody else may look"
    await world.look()
    assert world.told("move")[2].startswith("It waits for its turn: web-root is on its way to pool ceph.")


async def look(world: SnappingWorld) -> str:
    """What is said of it, with the news of the API."""
    world.learn()
    await VolumeController(world.context, world.objects).reconcile(KEY)
    return str(condition_of(world.live("web-root"), "MoveGranted").get("message", ""))


async def test_a_disk_waits_until_a_snapshot_that_was_begun_has_been_taken(world: SnappingWorld) -> None:
    world.snap("snap")
    await world.pass_all()
    said = "web-root goes to pool ceph once snapshot snap of its VM has been taken."
    assert (await look(world)).startswith(said)
    assert promised(world) == ""
    world.host_says("snap", phase="Ready", data="Present")
    woken = VolumeController.watches[VIRTUAL_MACHINE_SNAPSHOTS](world.live("snap"), world.cache)
    assert KEY in woken
    await look(world)
    assert promised(world) == "ceph"


async def test_a_disk_waits_until_its_vm_has_been_set_back(world: SnappingWorld) -> None:
    world.says("web", restore={"uid": "uid-back", "name": "back"})
    assert (await look(world)).startswith("web-root goes to pool ceph once VM web has been set back")
    assert promised(world) == ""
    world.says("web", restore=None)
    await look(world)
    assert promised(world) == "ceph"


async def test_a_snapshot_that_waits_keeps_no_disk_where_it_is(world: SnappingWorld) -> None:
    world.says("web", phase="Starting")
    world.snap("snap")
    await world.pass_all()
    await look(world)
    assert promised(world) == "ceph"
    world.says("web", phase="Running")
    await world.pass_all()
    assert world.reason("snap") == "Moving"
