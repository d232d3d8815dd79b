"""What else goes on with a VM is written against the very version that was decided on."""

from __future__ import annotations

import pytest

from quantix_api import RestoreState, VirtualMachine
from quantix_client.errors import Conflict, NotFound
from quantix_operator.scheduling.assignments import Assignment
from quantix_operator.scheduling.tying import TieWriter
from quantix_operator.scheduling.writing import Ties

from ..migration.moving_world import MovingWorld

HELD = Ties(restore=RestoreState(uid="uid-back", name="back"))


def known(world: MovingWorld) -> VirtualMachine:
    world.learn()
    vm = world.objects.get(VirtualMachine, "a/web")
    assert vm is not None
    return vm


@pytest.fixture
def world() -> MovingWorld:
    made = MovingWorld()
    made.vm("web")
    return made


async def test_a_vm_that_is_held_off_keeps_the_assignment_that_it_has(world: MovingWorld) -> None:
    writer = TieWriter(world.context, world.objects)
    assert await writer.tie(known(world), HELD) is not None
    assert world.live("web")["status"]["restore"] == {"uid": "uid-back", "name": "back"}
    assert world.assignment() == {"host": "h1", "epoch": 1}
    assert await writer.tie(known(world), HELD) is None


async def test_one_that_moved_gets_another(world: MovingWorld) -> None:
    await TieWriter(world.context, world.objects).tie(known(world), Ties(), Assignment("h2", 2))
    assert world.assignment() == {"host": "h2", "epoch": 2}


async def test_what_was_decided_on_another_version_does_not_count(world: MovingWorld) -> None:
    vm = known(world)
    world.wants("web", powerState="Stopped")
    world.learn()
    with pytest.raises(Conflict):
        await TieWriter(world.context, world.objects).tie(vm, HELD)
    del world.api.objects["uid-web"]
    world.learn()
    with pytest.raises(NotFound):
        await TieWriter(world.context, world.objects).tie(vm, HELD)
