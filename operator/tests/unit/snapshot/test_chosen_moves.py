"""A migration whose hosts are chosen, and whose VM does not say so yet: nothing keeps others away so far."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_operator.snapshot.controller import KEY

from ..migration.moving_world import KilledError
from .snapping_world import SnappingWorld


@pytest.fixture
async def world() -> SnappingWorld:
    """The write of the VM failed."""
    made = SnappingWorld(("h1", "h2", "h3"))
    made.vm("web", memory="10Gi")
    made.ask("move", targetHost="h2")
    made.api.lives = 1
    with pytest.raises(KilledError):
        await made.look()
    made.restart()
    assert made.live("move")["status"]["targetHost"] == "h2"
    assert made.moving() is None
    return made


async def test_it_waits_for_a_snapshot_that_was_begun_since(world: SnappingWorld) -> None:
    world.snap("snap")
    world.learn()
    await world.snapshots.reconcile(KEY)
    await world.look()
    assert world.told("move")[:2] == ("Queued", "SnapshotRunning")
    assert world.moving() is None
    world.host_says("snap", phase="Ready", data="Present")
    await world.look()
    assert world.told("move")[0] == "Preparing"
    assert world.moving() is not None


async def test_it_waits_for_a_disk_that_was_promised_to_another_pool_since(world: SnappingWorld) -> None:
    world.moves_disk("web", "ceph")
    await world.look()
    assert world.told("move")[2].startswith("It waits for its turn: web-root is on its way to pool ceph.")
    assert world.moving() is None
    world.says("web-root", movingTo=None)
    await world.look()
    assert world.told("move")[0] == "Preparing"


@pytest.mark.parametrize(
    ("state", "spec", "said"),
    [
        ({"restore": {"uid": "uid-back", "name": "back"}}, {}, "web is being set back to a snapshot."),
        ({}, {"powerState": "Stopped"}, "web is off."),
        ({}, {"powerState": "Paused"}, "web is paused."),
    ],
)
async def test_it_does_not_begin_with_a_vm_that_is_to_run_no_more(
    world: SnappingWorld, state: dict[str, Any], spec: dict[str, Any], said: str
) -> None:
    world.says("web", **state)
    world.wants("web", **spec)
    await world.look()
    assert world.told("move")[:2] == ("Failed", "NotRunning")
    assert said in world.told("move")[2]
    assert world.moving() is None


async def test_what_a_host_has_begun_already_goes_on(world: SnappingWorld) -> None:
    world.says("move", target={"prepared": True})
    world.moves_disk("web", "ceph")
    await world.look()
    assert world.moving() is not None


async def test_its_room_is_no_other_ones(world: SnappingWorld) -> None:
    world.moves_disk("web", "ceph")
    world.vm("db", "h3", memory="10Gi")
    world.ask("m-db", "db", targetHost="h2", at="10:00:01")
    await world.look()
    assert world.moving() is None
    assert world.told("m-db")[:2] == ("Failed", "NoHostFits")
