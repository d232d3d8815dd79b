"""Snapshots and restores on the real API server: the real operator, and hosts that play their parts."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from quantix_api.conditions import condition_of
from quantix_api.resources import (
    VIRTUAL_MACHINE_MIGRATIONS,
    VIRTUAL_MACHINE_RESTORES,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_client.api import Manifest
from quantix_lab.operator_world import OperatorWorld, says

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def running(world: OperatorWorld, namespace: str, **spec: Any) -> Manifest:
    disk = {"name": "root", "size": "1Gi", "reclaimPolicy": "Delete"}
    whole = {"cpu": {"cores": 1}, "memory": {"size": "256Mi"}, "disks": [disk], **spec}
    await world.apply(VIRTUAL_MACHINES, "web-1", whole, namespace)
    return await world.until_ready("web-1", namespace)


async def snap(world: OperatorWorld, namespace: str, name: str = "snap", **spec: Any) -> None:
    await world.apply(VIRTUAL_MACHINE_SNAPSHOTS, name, {"virtualMachine": "web-1", **spec}, namespace)


async def set_back(world: OperatorWorld, namespace: str, **spec: Any) -> None:
    wanted = {"virtualMachine": "web-1", "snapshot": "snap", **spec}
    await world.apply(VIRTUAL_MACHINE_RESTORES, "back", wanted, namespace)


async def until_phase(
    world: OperatorWorld, resource: Resource, name: str, namespace: str, phase: str
) -> Manifest:
    return await world.until(
        resource, name, lambda live: live.get("status", {}).get("phase") == phase, namespace
    )


def hold(world: OperatorWorld, *, still: bool) -> None:
    for host in world.hosts.values():
        if still:
            host.snapshots.held.add("web-1")
        else:
            host.snapshots.held.discard("web-1")


async def stop(world: OperatorWorld, namespace: str) -> None:
    await world.admin.patch(VIRTUAL_MACHINES, "web-1", {"spec": {"powerState": "Stopped"}}, namespace)
    await world.until(
        VIRTUAL_MACHINES, "web-1", lambda vm: "host" not in vm["status"]["assignment"], namespace
    )


async def test_a_snapshot_is_taken_by_the_host_of_its_vm_and_says_what_it_keeps(
    world: OperatorWorld, namespace: str
) -> None:
    vm = await running(world, namespace)
    await snap(world, namespace)
    taken = await until_phase(world, VIRTUAL_MACHINE_SNAPSHOTS, "snap", namespace, "Ready")
    status = taken["status"]
    assert status["host"] == vm["status"]["assignment"]["host"]
    (disk,) = status["disks"]
    assert (disk["name"], disk["volume"], disk["pool"]) == ("root", "web-1-root", "local")
    assert (disk["size"], disk["handle"]) == ("1Gi", f"{taken['metadata']['uid']}/root")
    assert status["config"]["memory"] == {"size": "256Mi"}
    settled = await world.until(
        VIRTUAL_MACHINE_SNAPSHOTS, "snap", lambda live: not condition_of(live, "Reconciling"), namespace
    )
    assert condition_of(settled)["reason"] == "Taken"
    assert condition_of(settled, "Quiesced")["reason"] == "Frozen"
    assert settled["metadata"]["finalizers"] == ["quantix.io/cleanup"]


async def test_a_migration_waits_for_a_snapshot_and_a_snapshot_for_a_migration(
    world: OperatorWorld, namespace: str
) -> None:
    await running(world, namespace)
    hold(world, still=True)
    try:
        await snap(world, namespace)
        await until_phase(world, VIRTUAL_MACHINE_SNAPSHOTS, "snap", namespace, "Taking")
        await world.apply(VIRTUAL_MACHINE_MIGRATIONS, "move", {"virtualMachine": "web-1"}, namespace)
        await world.until(VIRTUAL_MACHINE_MIGRATIONS, "move", says("Ready", "SnapshotRunning"), namespace)
        for host in world.hosts.values():
            host.migrations.held.add("web-1")
    finally:
        hold(world, still=False)
    try:
        await until_phase(world, VIRTUAL_MACHINE_MIGRATIONS, "move", namespace, "Copying")
        await snap(world, namespace, "later")
        await world.until(VIRTUAL_MACHINE_SNAPSHOTS, "later", says("Ready", "MigrationRunning"), namespace)
    finally:
        for host in world.hosts.values():
            host.migrations.held.discard("web-1")
    later = await until_phase(world, VIRTUAL_MACHINE_SNAPSHOTS, "later", namespace, "Ready")
    moved = await world.admin.get(VIRTUAL_MACHINES, "web-1", namespace)
    assert later["status"]["host"] == moved["status"]["assignment"]["host"]


async def test_a_restore_keeps_the_vm_off_until_it_is_over(world: OperatorWorld, namespace: str) -> None:
    await running(world, namespace)
    await snap(world, namespace)
    await until_phase(world, VIRTUAL_MACHINE_SNAPSHOTS, "snap", namespace, "Ready")
    await set_back(world, namespace)
    await world.until(VIRTUAL_MACHINE_RESTORES, "back", says("Ready", "WaitingForStop"), namespace)
    hold(world, still=True)
    try:
        await stop(world, namespace)
        await until_phase(world, VIRTUAL_MACHINE_RESTORES, "back", namespace, "Restoring")
        patch = {"spec": {"powerState": "Running", "cpu": {"cores": 2}}}
        await world.admin.patch(VIRTUAL_MACHINES, "web-1", patch, namespace)
        told = await world.until_ready("web-1", namespace, "RestoreInProgress")
        assert "host" not in told["status"]["assignment"]
        assert "back" in condition_of(told)["message"]
    finally:
        hold(world, still=False)
    await until_phase(world, VIRTUAL_MACHINE_RESTORES, "back", namespace, "Restored")
    after = await world.until_ready("web-1", namespace)
    assert "restore" not in after["status"]
    told = await world.admin.get(VIRTUAL_MACHINE_RESTORES, "back", namespace)
    assert told["status"]["differences"] == ["spec.cpu.cores"]
    assert condition_of(told, "Reconciling") == {}


async def test_by_force_the_vm_is_switched_off_and_starts_again_without_a_word_in_its_spec(
    world: OperatorWorld, namespace: str
) -> None:
    before = await running(world, namespace)
    await snap(world, namespace)
    await until_phase(world, VIRTUAL_MACHINE_SNAPSHOTS, "snap", namespace, "Ready")
    await set_back(world, namespace, stop="Force")
    await until_phase(world, VIRTUAL_MACHINE_RESTORES, "back", namespace, "Restored")
    after = await world.until(
        VIRTUAL_MACHINES, "web-1", lambda vm: vm["status"]["runtime"]["observedEpoch"] > 1, namespace
    )
    assert after["spec"] == before["spec"]
    await world.until_ready("web-1", namespace)


def is_restored(restore: Manifest) -> bool:
    return bool(restore.get("status", {}).get("phase") == "Restored")


async def test_a_leader_that_ends_in_the_middle_leaves_nothing_open(
    world: OperatorWorld, namespace: str
) -> None:
    await running(world, namespace)
    await snap(world, namespace)
    await until_phase(world, VIRTUAL_MACHINE_SNAPSHOTS, "snap", namespace, "Ready")
    hold(world, still=True)
    try:
        await set_back(world, namespace, stop="Force")
        await until_phase(world, VIRTUAL_MACHINE_RESTORES, "back", namespace, "Restoring")
        await world.stop_operator(signal.SIGKILL)
    finally:
        hold(world, still=False)
        await world.start_operator()
    # the next leader waits for the lease of the one that was killed
    await world.until(VIRTUAL_MACHINE_RESTORES, "back", is_restored, namespace, within_s=60)
    await world.until_ready("web-1", namespace)


async def test_everything_may_be_deleted_in_any_order(world: OperatorWorld, namespace: str) -> None:
    await running(world, namespace)
    await snap(world, namespace)
    await until_phase(world, VIRTUAL_MACHINE_SNAPSHOTS, "snap", namespace, "Ready")
    source = {"snapshot": {"name": "snap", "disk": "root"}}
    await world.apply(VOLUMES, "old-root", {"source": source}, namespace)
    made = await world.until(VOLUMES, "old-root", says("Ready", "Available"), namespace)
    kept = await world.admin.get(VIRTUAL_MACHINE_SNAPSHOTS, "snap", namespace)
    assert made["status"]["host"] == kept["status"]["host"]
    await world.admin.delete(VIRTUAL_MACHINES, "web-1", namespace)
    await world.until_gone(VIRTUAL_MACHINES, "web-1", namespace)
    await world.until_gone(VOLUMES, "web-1-root", namespace)
    await world.admin.delete(VIRTUAL_MACHINE_SNAPSHOTS, "snap", namespace)
    await world.until_gone(VIRTUAL_MACHINE_SNAPSHOTS, "snap", namespace)
    await world.apply(VOLUMES, "too-late", {"source": source}, namespace)
    await world.until(VOLUMES, "too-late", says("Ready", "SnapshotNotFound"), namespace)


async def test_a_snapshot_outlives_its_vm_whose_namesake_is_not_set_back(
    world: OperatorWorld, namespace: str
) -> None:
    await running(world, namespace)
    await snap(world, namespace)
    await until_phase(world, VIRTUAL_MACHINE_SNAPSHOTS, "snap", namespace, "Ready")
    await world.admin.delete(VIRTUAL_MACHINES, "web-1", namespace)
    await world.until_gone(VIRTUAL_MACHINES, "web-1", namespace)
    await running(world, namespace)
    await set_back(world, namespace)
    failed = await until_phase(world, VIRTUAL_MACHINE_RESTORES, "back", namespace, "Failed")
    assert condition_of(failed)["reason"] == "VirtualMachineNotFound"
    assert condition_of(failed, "Stalled")["status"] == "True"
