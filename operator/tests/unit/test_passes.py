"""One pass over many objects: what one of them meets keeps no other waiting, and is told of that one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quantix_api import VirtualMachineRestore
from quantix_api.resources import VIRTUAL_MACHINE_RESTORES
from quantix_client.errors import Conflict, ServerFault, Unprocessable, Unreachable
from quantix_operator.indexers import open_or_going
from quantix_operator.passes import AGAIN_S, Each, while_said, while_unfinished
from quantix_operator.restore.controller import RestoreController
from quantix_operator.restore.model import Steps, Task
from quantix_operator.snapshot.controller import SnapshotController

from .snapshot.snapping_world import SnappingWorld

MALFORMED = Unprocessable("status is malformed", code=422)


@pytest.fixture
def world() -> SnappingWorld:
    """A VM that is off, a snapshot of it, and two restores of it; the elder has none to go back to."""
    made = SnappingWorld()
    made.off("web")
    made.kept()
    made.set_back("bad", snapshot="none", at="11:00:01")
    made.set_back("good", at="11:00:02")
    return made


def decided(world: SnappingWorld, *names: str) -> list[Steps]:
    found = (world.objects.get(VirtualMachineRestore, f"a/{name}") for name in names)
    return [Steps(Task(restore), ()) for restore in found if restore is not None]


def errors(world: SnappingWorld, controller: str, reason: str) -> float:
    value: float = world.context.metrics.reconcile_errors.labels(controller, reason)._value.get()
    return value


async def test_a_restore_that_cannot_be_written_keeps_no_younger_one_waiting(world: SnappingWorld) -> None:
    world.api.refuses["uid-bad"] = MALFORMED
    await world.pass_all()
    assert world.live("good")["status"]["host"] == "h1"
    assert errors(world, "restore", "Unprocessable") >= 1


async def test_a_snapshot_that_cannot_be_written_keeps_no_younger_one_waiting(world: SnappingWorld) -> None:
    world.off("other")
    world.snap("first", at="10:00:01", disks=["dta"])
    world.snap("second", vm="other", at="10:00:02")
    world.api.refuses["uid-first"] = MALFORMED
    await world.pass_all()
    assert world.live("second")["status"]["host"] == "h1"
    assert errors(world, "snapshot", "Unprocessable") >= 1


async def test_a_migration_that_cannot_be_written_keeps_no_other_waiting(world: SnappingWorld) -> None:
    for vm in ("db", "app"):
        world.vm(vm)
        world.ask(f"move-{vm}", vm=vm)
    world.api.refuses["uid-move-app"] = MALFORMED
    await world.pass_all()
    assert world.moving("db") is not None
    assert errors(world, "migration", "Unprocessable") >= 1


async def test_vms_that_a_restore_left_behind_go_on_though_another_cannot_be_written(
    world: SnappingWorld,
) -> None:
    await world.pass_all()
    assert "restore" in world.live("web")["status"]
    del world.api.objects["uid-good"]
    world.restart()
    world.wants("bad", snapshot="neither")
    world.api.refuses["uid-bad"] = MALFORMED
    await world.pass_all()
    assert errors(world, "restore", "Unprocessable") >= 1
    assert "restore" not in world.live("web")["status"]


async def test_what_nobody_foresaw_is_told_of_the_object_that_it_met(world: SnappingWorld) -> None:
    each = Each(world.context, "restore")
    world.learn()

    async def carry_out(_: object) -> None:
        raise KeyError("x")

    again_s = await each.carry_out(decided(world, "bad"), carry_out)
    assert world.told("bad")[1] == "InternalError"
    assert "KeyError" in world.told("bad")[2]
    assert again_s is not None
    assert errors(world, "restore", "InternalError") == 1


async def test_what_failed_is_tried_again_later_and_later_and_not_at_each_pass(world: SnappingWorld) -> None:
    each, tried = Each(world.context, "restore"), list[int]()
    world.learn()

    async def carry_out(_: object) -> None:
        tried.append(1)
        raise ServerFault("it says 500", code=500)

    again_s = await each.carry_out(decided(world, "bad"), carry_out)
    assert again_s is not None
    assert 0 < again_s <= 0.1
    assert await each.carry_out(decided(world, "bad"), carry_out) is not None
    assert len(tried) == 1


async def test_one_that_changed_meanwhile_is_decided_on_anew_at_once(world: SnappingWorld) -> None:
    each = Each(world.context, "restore")
    world.learn()

    async def carry_out(_: object) -> None:
        raise Conflict("changed")

    assert await each.carry_out(decided(world, "bad"), carry_out) == AGAIN_S
    assert errors(world, "restore", "Conflict") == 0


def test_a_pass_hears_of_vms_only_while_something_is_to_be_done(world: SnappingWorld) -> None:
    vm, held = world.live("web"), {"metadata": {}, "status": {"restore": {"uid": "uid-good"}}}
    unfinished = while_unfinished(VIRTUAL_MACHINE_RESTORES, open_or_going, "restores")
    assert tuple(unfinished(vm, world.cache)) == ()
    world.learn()
    assert tuple(unfinished(vm, world.cache)) == ("restores",)
    assert tuple(while_said("restore", "restores")(held, world.cache)) == ("restores",)
    assert tuple(while_said("restore", "restores")(vm, world.cache)) == ()


async def test_while_the_api_is_away_the_rest_is_not_tried(world: SnappingWorld) -> None:
    each, tried = Each(world.context, "restore"), list[int]()
    world.learn()

    async def carry_out(_: object) -> None:
        tried.append(1)
        raise Unreachable("no answer")

    with pytest.raises(Unreachable):
        await each.carry_out(decided(world, "bad", "good"), carry_out)
    assert len(tried) == 1


class SlowClock:
    """A second passes at each look at it; keeps how long was slept."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept_s: list[float] = []

    def monotonic(self) -> float:
        self.now_s += 1
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)


@pytest.mark.parametrize("kind", [SnapshotController, RestoreController])
async def test_what_waits_for_long_takes_no_more_than_its_share_of_the_time(
    world: SnappingWorld, kind: type[SnapshotController | RestoreController]
) -> None:
    """Every write of a VM asks for a pass while a snapshot waits, and a pass keeps placements waiting."""
    clock: Any = SlowClock()
    controller = kind(replace(world.context, clock=clock), world.objects)
    await controller.reconcile("all")
    await controller.reconcile("all")
    assert clock.slept_s == [0.0, 8.0], "nine seconds after one of work, one of which is over"
