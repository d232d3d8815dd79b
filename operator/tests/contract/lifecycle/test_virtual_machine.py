"""The life of a VM on the real API server: the real operator, and a hostd that plays its part."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import pytest

from quantix_api.conditions import condition_of
from quantix_api.resources import EVENTS, VIRTUAL_MACHINES, VOLUMES
from quantix_client.api import Manifest
from quantix_client.apply import owned_fields
from quantix_lab.operator_world import OperatorWorld, says

from .small_vm import small

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_a_vm_runs_after_three_writes_and_its_volume_has_two(
    world: OperatorWorld, namespace: str
) -> None:
    """A wait of 2 s is said, and is a write: on a busy machine only a start that was quicker counts."""
    for attempt in range(10):
        took_s, vm, volume = await _watched_start(world, f"{namespace}-{attempt}")
        if took_s < 1.5:
            break
    assert took_s < 1.5
    assert _writers(vm) == ["kubectl", "quantix-scheduler", "quantix-operator", "quantix-hostd"]
    assert _writers(volume) == ["quantix-operator", "quantix-hostd"]
    status = vm[-1]["status"]
    assert status["assignment"] == {"host": "h1", "epoch": 1}
    assert status["resolved"]["machineType"] == "pc-q35-7.2"
    assert status["resolved"]["cpuModel"] == "qemu64"
    assert status["resolved"]["devices"] == [{"name": "root", "port": 1}]
    assert condition_of(vm[-1], "Scheduled")["reason"] == "Assigned"
    assert condition_of(vm[-1], "VolumesReady")["reason"] == "AllReady"
    assert condition_of(vm[-1], "Protected")["reason"] == "NoOtherHost"


async def _watched_start(
    world: OperatorWorld, namespace: str
) -> tuple[float, list[Manifest], list[Manifest]]:
    """How long a start took, and every version of the VM and of its Volume, until nothing came any more."""
    await world.namespace(namespace)
    start = await world.admin.latest_version(VIRTUAL_MACHINES, namespace)
    vm: list[Manifest] = []
    volume: list[Manifest] = []
    watches = [
        asyncio.create_task(_collect(world, VIRTUAL_MACHINES, namespace, start, vm)),
        asyncio.create_task(_collect(world, VOLUMES, namespace, start, volume)),
    ]
    began_s = time.monotonic()
    await world.apply(VIRTUAL_MACHINES, "web-1", small(), namespace)
    await world.until_ready("web-1", namespace)
    took_s = time.monotonic() - began_s
    await asyncio.sleep(3.0)
    for watch in watches:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
    return took_s, vm, volume


async def _collect(world: OperatorWorld, resource: Any, namespace: str, version: str, into: Any) -> None:
    async for event in world.admin.watch(resource, namespace, resource_version=version):
        if event.type != "BOOKMARK":
            into.append(event.object)


def _writers(versions: list[Manifest]) -> list[str]:
    """Who made each version, from what it changed in managedFields; a POST's manager is the user agent."""
    writers: list[str] = []
    before: list[Manifest] = []
    for live in versions:
        entries = live["metadata"]["managedFields"]
        writers.append(" ".join(entry["manager"] for entry in entries if entry not in before))
        before = entries
    return writers


async def test_applying_the_same_again_is_no_write(world: OperatorWorld, namespace: str) -> None:
    await world.apply(VIRTUAL_MACHINES, "web-1", small(), namespace)
    before = await world.until_ready("web-1", namespace)
    again = await world.apply(VIRTUAL_MACHINES, "web-1", small(), namespace)
    await asyncio.sleep(1.0)
    after = await world.admin.get(VIRTUAL_MACHINES, "web-1", namespace)
    assert {item["metadata"]["resourceVersion"] for item in (before, again, after)} == {
        before["metadata"]["resourceVersion"]
    }


async def test_a_stopped_vm_has_no_host_and_starts_again_under_a_new_epoch(
    world: OperatorWorld, namespace: str
) -> None:
    await world.apply(VIRTUAL_MACHINES, "web-1", small(), namespace)
    await world.until_ready("web-1", namespace)
    await world.admin.patch(VIRTUAL_MACHINES, "web-1", {"spec": {"powerState": "Stopped"}}, namespace)
    stopped = await world.until(
        VIRTUAL_MACHINES, "web-1", lambda vm: "host" not in vm["status"]["assignment"], namespace
    )
    assert stopped["status"]["assignment"] == {"epoch": 2, "lastHost": "h1"}
    stopped = await world.until_ready("web-1", namespace, "Stopped")
    assert condition_of(stopped, "Ready")["status"] == "True"
    assert condition_of(stopped, "Scheduled")["reason"] == "NotWanted"

    await world.admin.patch(VIRTUAL_MACHINES, "web-1", {"spec": {"powerState": "Running"}}, namespace)
    running = await world.until_ready("web-1", namespace)
    assert running["status"]["assignment"] == {"host": "h1", "epoch": 3}


async def test_a_new_stopped_vm_is_ready_without_a_host(world: OperatorWorld, namespace: str) -> None:
    await world.apply(VIRTUAL_MACHINES, "web-1", small(powerState="Stopped"), namespace)
    live = await world.until_ready("web-1", namespace, "Stopped")
    assert condition_of(live, "Ready")["status"] == "True"
    assert "assignment" not in live["status"]


async def test_a_guest_that_powered_itself_off_is_held_until_somebody_asks(
    world: OperatorWorld, namespace: str
) -> None:
    name = f"off-{namespace}"
    await world.apply(VIRTUAL_MACHINES, name, small(), namespace)
    await world.until_ready(name, namespace)
    world.hosts["h1"].exits[name] = "GuestShutdown"
    held = await world.until(
        VIRTUAL_MACHINES, name, lambda vm: vm["status"]["assignment"].get("hold"), namespace
    )
    assert held["status"]["assignment"] == {"epoch": 2, "hold": "GuestShutdown", "lastHost": "h1"}
    held = await world.until(VIRTUAL_MACHINES, name, says("Stalled", "GuestShutdown"), namespace)
    assert condition_of(held, "Ready")["reason"] == "GuestShutdown"

    await world.admin.patch(
        VIRTUAL_MACHINES, name, {"spec": {"restart": {"at": "2026-01-01T00:00:00Z"}}}, namespace
    )
    running = await world.until_ready(name, namespace)
    assert running["status"]["assignment"] == {"host": "h1", "epoch": 3}


async def test_what_hostd_said_beside_ready_goes_when_the_operator_says_ready(
    world: OperatorWorld, namespace: str
) -> None:
    """kstatus calls failed what is Stalled: a VM that was asked to start and waits for room is not."""
    name = f"off-{namespace}"
    await world.apply(VIRTUAL_MACHINES, name, small(), namespace)
    await world.until_ready(name, namespace)
    world.hosts["h1"].exits[name] = "GuestShutdown"
    held = await world.until(
        VIRTUAL_MACHINES, name, lambda vm: vm["status"]["assignment"].get("hold"), namespace
    )
    await world.until(VIRTUAL_MACHINES, name, says("Stalled", "GuestShutdown"), namespace)
    assert "Stalled" in _conditions_of(held, "quantix-hostd")

    wanted = {"memory": {"size": "64Gi"}, "restart": {"at": "2026-01-01T00:00:00Z"}}
    await world.admin.patch(VIRTUAL_MACHINES, name, {"spec": wanted}, namespace)
    waiting = await world.until_ready(name, namespace, "NotEnoughMemory")
    assert condition_of(waiting, "Stalled") == {}
    assert condition_of(waiting, "Reconciling")["reason"] == "NotEnoughMemory"
    assert sorted(host for group in waiting["status"]["unfitHosts"] for host in group["hosts"]) == sorted(
        world.hosts
    )

    await world.admin.patch(VIRTUAL_MACHINES, name, {"spec": {"memory": {"size": "256Mi"}}}, namespace)
    running = await world.until_ready(name, namespace)
    assert condition_of(running, "Scheduled")["reason"] == "Assigned"
    assert "unfitHosts" not in running["status"]


def _conditions_of(live: Manifest, manager: str) -> set[str]:
    """The conditions that a manager owns."""
    status = owned_fields(live, manager, "status").get("status") or {}
    return {item["type"] for item in status.get("conditions") or []}


@pytest.mark.parametrize(("claims", "epoch"), [("floors", 41), ("held", 40)])
async def test_an_api_that_forgot_epochs_learns_them_from_the_claims_at_once(
    world: OperatorWorld, namespace: str, claims: str, epoch: int
) -> None:
    """As after a restore: the volumes know epoch 40, released or held by a guest that runs, and the API 1."""
    name = f"restored-{claims}"
    known: dict[str, int] = getattr(world.hosts["h1"], claims)
    known[name] = 40
    await world.apply(VIRTUAL_MACHINES, name, small(), namespace)
    running = await world.until_ready(name, namespace)
    assert running["status"]["assignment"] == {"host": "h1", "epoch": epoch}
    assert "claimEpoch" not in running["status"]["runtime"]


async def test_every_condition_is_about_the_newest_spec(world: OperatorWorld, namespace: str) -> None:
    """`kubectl wait` takes no condition of an older generation."""
    await world.apply(VIRTUAL_MACHINES, "web-1", small(), namespace)
    before = await world.until_ready("web-1", namespace)
    await world.admin.patch(VIRTUAL_MACHINES, "web-1", {"spec": {"gracePeriodSeconds": 7}}, namespace)

    def is_newest(vm: Manifest) -> bool:
        seen = {item["type"]: item["observedGeneration"] for item in vm["status"]["conditions"]}
        return set(seen.values()) == {before["metadata"]["generation"] + 1} and "Scheduled" in seen

    after = await world.until(VIRTUAL_MACHINES, "web-1", is_newest, namespace)
    assert after["status"]["assignment"] == before["status"]["assignment"]
    events = [event["reason"] for event in (await world.admin.list(EVENTS, namespace)).items]
    assert events.count("Scheduled") == 1
