"""Of a migration that does not come further a host says why, and the operator says it of that host."""

from __future__ import annotations

from typing import Any

import pytest

from .moving_world import MovingWorld

ADVICE = " Try: qx status shows how both hosts are; after migration.timeoutSeconds it is given up."
NO_CERTIFICATE = {"reason": "Preparing", "message": "QEMU of h1 has no certificate yet."}
LIBVIRT_AWAY = {"reason": "LibvirtDown", "message": "libvirtd does not answer."}


@pytest.fixture
async def world() -> MovingWorld:
    """The hosts of `move` are chosen."""
    made = MovingWorld()
    made.vm("web")
    made.ask("move")
    await made.look()
    return made


@pytest.mark.parametrize(
    ("said", "phase", "told"),
    [
        (
            {},
            "Preparing",
            "h2 makes ready to receive web. Try: nothing; it goes on by itself.",
        ),
        (
            {"target": {"prepared": True}},
            "Preparing",
            "h2 is ready to receive web, and h1 is about to send it. "
            "Try: where that lasts, qx host explain h1 tells why.",
        ),
        (
            {"target": {"prepared": True}, "source": NO_CERTIFICATE},
            "Preparing",
            f"It waits for h1: QEMU of h1 has no certificate yet.{ADVICE}",
        ),
        (
            {"target": LIBVIRT_AWAY},
            "Preparing",
            f"It waits for h2: libvirtd does not answer.{ADVICE}",
        ),
        (
            {
                "target": {"prepared": True},
                "source": {"mode": "PreCopy", "reason": "Copying", "message": "Its QEMU does not end."},
            },
            "Copying",
            f"It waits for h1: Its QEMU does not end.{ADVICE}",
        ),
    ],
    ids=["nobody said anything", "the source is to begin", "source", "target", "sent, and still there"],
)
async def test_who_is_waited_for_and_why(
    world: MovingWorld, said: dict[str, Any], phase: str, told: str
) -> None:
    world.says("move", **said)
    await world.look()
    assert world.told("move") == (phase, phase, told)
    assert world.moving() is not None


async def test_one_that_did_not_begin_in_time_has_failed(world: MovingWorld) -> None:
    message = "web was not begun to be moved within 30 s: QEMU of h1 has no certificate yet."
    world.says("move", source={"outcome": "GaveUp", "reason": "TimedOut", "message": message})
    await world.look()
    assert world.told("move")[:2] == ("Failed", "TimedOut")
    assert "QEMU of h1 has no certificate yet" in world.told("move")[2]
    assert world.moving() is None


@pytest.mark.parametrize("said", [{"source": NO_CERTIFICATE}, {"target": LIBVIRT_AWAY}])
async def test_a_host_that_only_waits_has_not_acted(world: MovingWorld, said: dict[str, Any]) -> None:
    """An API that was restored to before the VM named it: it is looked at as at first."""
    world.says("move", **said)
    world.says("web", migration=None)
    world.wants("move", cancel=True)
    await world.look()
    assert world.told("move")[:2] == ("Cancelled", "Cancelled")
    assert world.moving() is None
