"""Migrations on the real API server: the real operator, and hosts that play their parts."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from quantix_api.conditions import condition_of
from quantix_api.resources import EVENTS, VIRTUAL_MACHINE_MIGRATIONS, VIRTUAL_MACHINES, VOLUMES
from quantix_client.api import Manifest
from quantix_lab.operator_world import OperatorWorld, says

pytestmark = pytest.mark.asyncio(loop_scope="package")


def small(**spec: Any) -> dict[str, Any]:
    """A VM that may run on any host."""
    return {
        "cpu": {"cores": 1},
        "memory": {"size": "256Mi"},
        "disks": [{"name": "root", "size": "1Gi", "reclaimPolicy": "Delete"}],
        **spec,
    }


async def running(world: OperatorWorld, namespace: str, name: str = "web-1", **spec: Any) -> Manifest:
    await world.apply(VIRTUAL_MACHINES, name, small(**spec), namespace)
    return await world.until_ready(name, namespace)


async def ask(world: OperatorWorld, namespace: str, name: str = "move", **spec: Any) -> None:
    await world.apply(VIRTUAL_MACHINE_MIGRATIONS, name, {"virtualMachine": "web-1", **spec}, namespace)


async def until_phase(world: OperatorWorld, namespace: str, phase: str, name: str = "move") -> Manifest:
    return await world.until(
        VIRTUAL_MACHINE_MIGRATIONS, name, lambda live: live.get("status", {}).get("phase") == phase, namespace
    )


def other_than(host: str) -> str:
    return next(name for name in ("h1", "h2", "h3") if name != host)


async def test_a_vm_moves_with_its_disk_and_runs_under_the_next_epoch(
    world: OperatorWorld, namespace: str
) -> None:
    before = await running(world, namespace)
    source = before["status"]["assignment"]["host"]
    target = other_than(source)
    await ask(world, namespace, targetHost=target)
    moved = await until_phase(world, namespace, "Succeeded")
    assert condition_of(moved)["status"] == "True"
    status = moved["status"]
    assert (status["sourceHost"], status["targetHost"]) == (source, target)
    assert status["source"]["downtimeMilliseconds"] == 300
    after = await world.until(
        VIRTUAL_MACHINES, "web-1", lambda vm: vm["status"]["runtime"]["observedEpoch"] == 2, namespace
    )
    assert after["status"]["assignment"] == {"host": target, "epoch": 2}
    assert "migration" not in after["status"]
    assert after["status"]["resolved"] == before["status"]["resolved"], "what runs stays as it was decided"
    assert condition_of(after)["reason"] == "Running"
    volume = await world.admin.get(VOLUMES, "web-1-root", namespace)
    assert (volume["status"]["host"], volume["status"]["data"]) == (target, "Present")
    events = {event["reason"] for event in (await world.admin.list(EVENTS, namespace)).items}
    assert {"MigrationStarted", "Migrated"} <= events
    assert "Denied" not in events


async def test_a_migration_costs_few_writes(world: OperatorWorld, namespace: str) -> None:
    await running(world, namespace)
    start = await world.admin.latest_version(VIRTUAL_MACHINES, namespace)
    await ask(world, namespace)
    await until_phase(world, namespace, "Succeeded")
    await world.until(
        VIRTUAL_MACHINES, "web-1", lambda vm: vm["status"]["runtime"]["observedEpoch"] == 2, namespace
    )
    await asyncio.sleep(1.0)
    seen: list[Manifest] = []

    async def collect() -> None:
        async for event in world.admin.watch(VIRTUAL_MACHINES, namespace, resource_version=start):
            if event.type != "BOOKMARK":
                seen.append(event.object)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(collect(), 1.0)
    assert len(seen) <= 4, "named, cut over, heard; and what Protected says of its new host"


async def test_a_cancel_is_a_wish_to_the_source(world: OperatorWorld, namespace: str) -> None:
    vm = await running(world, namespace)
    source = world.hosts[vm["status"]["assignment"]["host"]]
    source.migrations.deaf.add("web-1")
    try:
        await ask(world, namespace)
        await until_phase(world, namespace, "Preparing")
        await world.admin.patch(VIRTUAL_MACHINE_MIGRATIONS, "move", {"spec": {"cancel": True}}, namespace)
        waiting = await world.until(
            VIRTUAL_MACHINE_MIGRATIONS,
            "move",
            lambda live: "cancelled" in condition_of(live)["message"],
            namespace,
        )
        assert waiting["status"]["phase"] == "Preparing"
        live = await world.admin.get(VIRTUAL_MACHINES, "web-1", namespace)
        assert live["status"]["migration"]["name"] == "move"
    finally:
        source.migrations.deaf.discard("web-1")
    ended = await until_phase(world, namespace, "Cancelled")
    assert condition_of(ended, "Stalled")["reason"] == "Cancelled"
    after = await world.until(VIRTUAL_MACHINES, "web-1", says("Ready", "Running"), namespace)
    assert "migration" not in after["status"]
    assert after["status"]["assignment"] == vm["status"]["assignment"]


async def test_what_else_is_said_of_a_vm_leaves_its_migration_alone(
    world: OperatorWorld, namespace: str
) -> None:
    await running(world, namespace)
    for host in world.hosts.values():
        host.migrations.held.add("web-1")
    try:
        await ask(world, namespace)
        await until_phase(world, namespace, "Copying")
        await world.admin.patch(VIRTUAL_MACHINES, "web-1", {"spec": {"gracePeriodSeconds": 7}}, namespace)
        told = await world.until(VIRTUAL_MACHINES, "web-1", says("Scheduled", "Assigned"), namespace)
        assert told["status"]["migration"]["name"] == "move"
    finally:
        for host in world.hosts.values():
            host.migrations.held.discard("web-1")
    await until_phase(world, namespace, "Succeeded")


async def test_a_target_that_refuses_leaves_the_vm_where_it_is(world: OperatorWorld, namespace: str) -> None:
    vm = await running(world, namespace)
    target = other_than(vm["status"]["assignment"]["host"])
    world.hosts[target].migrations.refused.add("web-1")
    try:
        await ask(world, namespace, targetHost=target)
        ended = await until_phase(world, namespace, "Failed")
    finally:
        world.hosts[target].migrations.refused.discard("web-1")
    assert condition_of(ended)["reason"] == "TargetFailed"
    after = await world.admin.get(VIRTUAL_MACHINES, "web-1", namespace)
    assert after["status"]["assignment"] == vm["status"]["assignment"]


async def test_a_vm_that_is_deleted_while_it_moves_goes_by_its_source(
    world: OperatorWorld, namespace: str
) -> None:
    vm = await running(world, namespace)
    for host in world.hosts.values():
        host.migrations.held.add("web-1")
    try:
        await ask(world, namespace)
        await until_phase(world, namespace, "Copying")
        await world.admin.delete(VIRTUAL_MACHINES, "web-1", namespace)
        await until_phase(world, namespace, "Failed")
        await world.until_gone(VIRTUAL_MACHINES, "web-1", namespace)
    finally:
        for host in world.hosts.values():
            host.migrations.held.discard("web-1")
    assert vm["status"]["assignment"]["epoch"] == 1


def has_succeeded(migration: Manifest) -> bool:
    return bool(migration.get("status", {}).get("phase") == "Succeeded")


async def test_a_leader_that_is_killed_at_any_time_leaves_what_the_next_one_finishes(
    world: OperatorWorld, namespace: str
) -> None:
    before = await running(world, namespace)
    await ask(world, namespace)
    await asyncio.sleep(0.15)
    await world.stop_operator(signal.SIGKILL)
    await world.start_operator()
    # the next leader waits for the lease of the one that was killed
    await world.until(VIRTUAL_MACHINE_MIGRATIONS, "move", has_succeeded, namespace, within_s=60)
    after = await world.until(
        VIRTUAL_MACHINES, "web-1", lambda vm: vm["status"]["runtime"]["observedEpoch"] == 2, namespace
    )
    assert after["status"]["assignment"]["host"] != before["status"]["assignment"]["host"]
