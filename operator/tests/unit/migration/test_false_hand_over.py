"""A source that says it handed the VM over, and a target that finds otherwise in the claims."""

from __future__ import annotations

from typing import Any

import pytest

from .moving_world import KilledError, MovingWorld

HANDED = {"mode": "PreCopy", "outcome": "HandedOver", "epoch": 2}


@pytest.fixture
async def world() -> MovingWorld:
    """The source said so."""
    made = MovingWorld()
    made.vm("web")
    made.ask("move")
    await made.look()
    made.says("move", source=HANDED, target={"prepared": True})
    await made.look()
    return made


@pytest.mark.parametrize("outcome", ["Gone", "Refused"])
async def test_the_vm_stays_once_nothing_of_it_is_with_the_target(world: MovingWorld, outcome: str) -> None:
    world.says("move", target={"outcome": outcome})
    await world.look()
    assert world.assignment() == {"epoch": 1, "host": "h1"}
    assert world.moving() is None
    assert world.told("move") == (
        "Failed",
        "SourceFailed",
        "h1 said that it had handed web over, but the disks did not say so to h2. "
        "Try: look after h1: somebody else may have its key.",
    )


async def test_a_leader_that_ended_meanwhile_names_it_no_more(world: MovingWorld) -> None:
    world.says("move", target={"outcome": "Gone"})
    world.learn()
    world.api.lives = 1
    with pytest.raises(KilledError):
        await world.look()
    assert world.moving() is None
    world.restart()
    await world.look()
    assert world.moving() is None
    assert world.told("move")[:2] == ("Failed", "SourceFailed")


async def test_while_the_target_keeps_a_half_that_is_told(world: MovingWorld) -> None:
    said: dict[str, Any] = {"prepared": True, "reason": "SourceFailed", "message": "They do not say so."}
    world.says("move", target=said)
    await world.look()
    assert world.moving() is not None
    assert world.told("move") == (
        "CuttingOver",
        "CuttingOver",
        "h1 says that it has handed web over, but the disks do not say so to h2. "
        "Try: nothing; it ends once h1 hands them over, or lets go of them.",
    )
