"""Much at once on the real API server: few writes of ours, and who has nothing to do with it goes on."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from quantix_api.conditions import condition_of
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_client.api import Manifest
from quantix_lab.operator_world import OperatorWorld, says

from .small_vm import BLANK, small

pytestmark = pytest.mark.asyncio(loop_scope="package")

# what a user may wait for another VM meanwhile, on two cores that others use, too
_ANOTHER_S = 15.0
_QUIET_S = 1.5


async def test_labels_that_change_all_the_time_are_no_writes_of_ours(
    world: OperatorWorld, namespace: str
) -> None:
    await relabel(world, namespace, times=40)


@pytest.mark.soak
async def test_a_thousand_changes_of_labels_are_no_writes_of_ours(
    world: OperatorWorld, namespace: str
) -> None:
    await relabel(world, namespace, times=400)


async def test_vms_that_find_no_room_are_told_once_and_keep_nobody_from_starting(
    world: OperatorWorld, namespace: str
) -> None:
    await crowd(world, namespace, count=12, within_s=_ANOTHER_S)


@pytest.mark.soak
async def test_five_hundred_vms_that_find_no_room_keep_nobody_from_starting(
    world: OperatorWorld, namespace: str
) -> None:
    await crowd(world, namespace, count=500, within_s=4 * _ANOTHER_S)


async def relabel(world: OperatorWorld, namespace: str, *, times: int) -> None:
    await world.apply(VIRTUAL_MACHINES, "web-1", small(), namespace)
    running = await world.until_ready("web-1", namespace)
    # managedFields tell the second of a write
    await asyncio.sleep(1.1)
    before = ours(running)
    assert before
    for number in range(times):
        patch = {"metadata": {"labels": {"number": str(number)}}}
        await world.admin.patch(VIRTUAL_MACHINES, "web-1", patch, namespace)
        if number == times // 2:
            await another_starts(world, namespace, _ANOTHER_S)
    await asyncio.sleep(_QUIET_S)
    assert ours(await world.admin.get(VIRTUAL_MACHINES, "web-1", namespace)) == before


async def crowd(world: OperatorWorld, namespace: str, *, count: int, within_s: float) -> None:
    # the disks of all find room in the pool: only memory is short
    disk = BLANK | {"size": "64Mi"}
    large: dict[str, Any] = {"cpu": {"cores": 1}, "memory": {"size": "64Gi"}, "disks": [disk]}
    for number in range(count):
        await world.apply(VIRTUAL_MACHINES, f"large-{number}", large, namespace)
    await another_starts(world, namespace, within_s)
    deadline = time.monotonic() + 30 + count
    while not all(says_so(vm) for vm in await larges(world, namespace)):
        assert time.monotonic() < deadline, "not every VM says that it finds no room"
        await asyncio.sleep(0.5)
    await asyncio.sleep(1.0)
    before = versions(await larges(world, namespace))
    assert len(before) == count
    await world.admin.delete(VIRTUAL_MACHINES, "another", namespace)
    await world.until_gone(VIRTUAL_MACHINES, "another", namespace)
    await asyncio.sleep(_QUIET_S)
    # each says how much is free, and that has changed: in a minute, not at once for everyone
    assert versions(await larges(world, namespace)) == before


async def another_starts(world: OperatorWorld, namespace: str, within_s: float) -> None:
    await world.apply(VIRTUAL_MACHINES, "another", small(), namespace)
    await world.until(VIRTUAL_MACHINES, "another", says("Ready", "Running"), namespace, within_s)


async def larges(world: OperatorWorld, namespace: str) -> list[Manifest]:
    listed = await world.admin.list(VIRTUAL_MACHINES, namespace)
    return [vm for vm in listed.items if vm["metadata"]["name"].startswith("large-")]


def says_so(vm: Manifest) -> bool:
    return bool(condition_of(vm, "Ready").get("reason") == "NotEnoughMemory")


def versions(vms: list[Manifest]) -> dict[str, str]:
    return {vm["metadata"]["name"]: vm["metadata"]["resourceVersion"] for vm in vms}


def ours(vm: Manifest) -> set[tuple[str, str]]:
    """Who of the platform wrote last when."""
    written = vm["metadata"]["managedFields"]
    return {(item["manager"], item["time"]) for item in written if item["manager"].startswith("quantix")}
