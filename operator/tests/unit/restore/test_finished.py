"""How long a restore that is over is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quantix_api.resources import VIRTUAL_MACHINE_RESTORES
from quantix_api.times import render_time
from quantix_operator.restore.finished import FinishedRestoreController

from ..snapshot.snapping_world import SnappingWorld

KEPT = {"virtualMachine": "web", "snapshot": "snap", "ttlSecondsAfterFinished": 60}
FAILED = {"type": "Ready", "status": "False", "reason": "RestoreFailed", "message": "It did."}


def ago(seconds: float) -> str:
    return render_time(datetime.now(UTC) - timedelta(seconds=seconds))


async def looked_at(status: dict[str, Any], spec: dict[str, Any] = KEPT) -> tuple[float | None, bool]:
    """Seconds until the next look, and whether it is still there."""
    world = SnappingWorld()
    world.put(VIRTUAL_MACHINE_RESTORES, "back", spec=spec, status=status)
    world.learn()
    controller = FinishedRestoreController(world.context, world.objects)
    again_s = await controller.reconcile("a/back")
    return again_s, world.is_there("back")


@pytest.mark.parametrize("phase", ["Restored", "Failed"])
async def test_it_is_removed_once_its_time_is_over(phase: str) -> None:
    assert await looked_at({"phase": phase, "finishedAt": ago(61)}) == (None, False)


async def test_one_that_no_host_began_counts_from_its_failure() -> None:
    failed = {"phase": "Failed", "conditions": [FAILED | {"lastTransitionTime": ago(61)}]}
    assert await looked_at(failed) == (None, False)


async def test_before_that_it_is_looked_at_again_then() -> None:
    again_s, there = await looked_at({"phase": "Restored", "finishedAt": ago(20)})
    assert there
    assert again_s is not None
    assert 30 < again_s <= 40


@pytest.mark.parametrize(
    ("spec", "status"),
    [
        ({"ttlSecondsAfterFinished": None}, {"phase": "Restored", "finishedAt": ago(10**6)}),
        ({}, {"phase": "Restoring", "finishedAt": ago(10**6)}),
        ({}, {}),
    ],
)
async def test_what_names_no_time_or_goes_on_stays(spec: dict[str, Any], status: dict[str, Any]) -> None:
    assert await looked_at(status, KEPT | spec) == (None, True)
