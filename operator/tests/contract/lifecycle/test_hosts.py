"""Hosts on the real API server: joined, cordoned, silent, back; and what their Secrets and pools mean."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quantix_api.conditions import condition_of
from quantix_api.resources import (
    HOSTS,
    ROLE_BINDINGS,
    ROLES,
    SECRETS,
    STORAGE_POOLS,
    VIRTUAL_MACHINES,
    VOLUMES,
)
from quantix_client.api import Manifest
from quantix_client.errors import Forbidden
from quantix_lab.operator_world import OperatorWorld, says

pytestmark = pytest.mark.asyncio(loop_scope="package")

SMALL: dict[str, Any] = {
    "cpu": {"cores": 1},
    "memory": {"size": "256Mi"},
    "disks": [{"name": "root", "size": "1Gi", "reclaimPolicy": "Delete"}],
}


async def test_a_host_counts_what_it_promised(world: OperatorWorld, namespace: str) -> None:
    await world.apply(VIRTUAL_MACHINES, "web-1", SMALL, namespace)
    await world.until_ready("web-1", namespace)

    def counts(host: dict[str, Any]) -> bool:
        return bool(host["status"].get("allocated", {}).get("cpus"))

    host = await world.until(HOSTS, "h1", counts)
    assert host["status"]["virtualMachines"] >= 1
    assert condition_of(host, "Schedulable")["reason"] == "Open"


async def test_a_cordoned_host_takes_nothing_new(world: OperatorWorld, namespace: str) -> None:
    await world.apply(VIRTUAL_MACHINES, "old", SMALL, namespace)
    await world.until_ready("old", namespace)
    await world.admin.patch(HOSTS, "h1", {"spec": {"unschedulable": True}})
    try:
        await world.until(HOSTS, "h1", says("Schedulable", "Cordoned"))
        await world.apply(VIRTUAL_MACHINES, "new", SMALL, namespace)
        live = await world.until_ready("new", namespace, "NoHostFits")
        assert condition_of(live, "Ready")["message"].startswith("No host fits: 1 is Cordoned.")
        await world.until_ready("old", namespace)
    finally:
        await world.admin.patch(HOSTS, "h1", {"spec": {"unschedulable": False}})
    await world.until_ready("new", namespace)


async def test_a_silent_host_is_unreachable_and_returns_by_itself(
    world: OperatorWorld, namespace: str
) -> None:
    await world.apply(VIRTUAL_MACHINES, "web-1", SMALL, namespace)
    running = await world.until_ready("web-1", namespace)
    world.hosts["h1"].asleep = True
    try:
        host = await world.until(HOSTS, "h1", says("Ready", "Unreachable"))
        assert (condition_of(host, "Ready")["status"], host["status"]["phase"]) == ("Unknown", "Unreachable")
        assert condition_of(host, "Schedulable")["reason"] == "NotReady"
        lost = await world.until_ready("web-1", namespace, "HostUnreachable")
        assert (condition_of(lost, "Ready")["status"], lost["status"]["phase"]) == ("Unknown", "Unknown")
        assert lost["status"]["assignment"] == running["status"]["assignment"]
        await world.until_event("default", "HostSuspect")
    finally:
        world.hosts["h1"].asleep = False
    await world.until(HOSTS, "h1", says("Ready", "Healthy"))
    await world.until(HOSTS, "h1", says("Schedulable", "Open"))
    back = await world.until_ready("web-1", namespace)
    assert back["status"]["assignment"] == running["status"]["assignment"]
    assert back["status"]["phase"] == "Running"


async def test_a_host_reads_the_secrets_of_its_vms_and_no_others(
    world: OperatorWorld, namespace: str
) -> None:
    reference = {"userDataSecretRef": {"name": "web", "key": "userData"}}
    await world.apply(VIRTUAL_MACHINES, "web-1", SMALL | {"cloudInit": reference}, namespace)
    waiting = await world.until_ready("web-1", namespace, "SecretNotFound")
    # the host that has heard of it says so, and can only when it knows how the VM is run
    assert waiting["status"]["runtime"]["observedEpoch"] == waiting["status"]["assignment"]["epoch"]

    for name in ("web", "other"):
        await world.admin.create(SECRETS, _secret(name, namespace))
    await world.until_ready("web-1", namespace)
    host = world.hosts["h1"].api
    assert (await host.get(SECRETS, "web", namespace))["data"]["userData"]
    with pytest.raises(Forbidden):
        await host.get(SECRETS, "other", namespace)

    await world.admin.delete(VIRTUAL_MACHINES, "web-1", namespace)
    await world.until_gone(ROLES, "quantix-host-h1", namespace)
    await world.until_gone(ROLE_BINDINGS, "quantix-host-h1", namespace)


def _secret(name: str, namespace: str) -> Manifest:
    return {"metadata": {"name": name, "namespace": namespace}, "stringData": {"userData": "#cloud-config"}}


async def test_a_missing_pool_is_waited_for(world: OperatorWorld, namespace: str) -> None:
    pool = f"pool-{namespace}"
    disk = {"name": "root", "size": "1Gi", "pool": pool, "reclaimPolicy": "Delete"}
    await world.apply(VIRTUAL_MACHINES, "web-1", SMALL | {"disks": [disk]}, namespace)
    await world.until_ready("web-1", namespace, "PoolNotFound")
    await world.apply(STORAGE_POOLS, pool, {"dir": {"path": "/elsewhere"}})
    await world.until_ready("web-1", namespace)
    volume = await world.admin.get(VOLUMES, "web-1-root", namespace)
    assert volume["spec"]["pool"] == pool


async def test_of_two_default_pools_the_elder_counts(world: OperatorWorld, namespace: str) -> None:
    await asyncio.sleep(1.0)  # creation times count whole seconds
    second = f"second-{namespace}"
    await world.apply(STORAGE_POOLS, second, {"dir": {"path": "/second"}, "default": True})
    await world.until(STORAGE_POOLS, second, says("Ready", "DefaultConflict"))
    await world.until(STORAGE_POOLS, "local", says("Ready", "Reachable"))
    await world.admin.delete(STORAGE_POOLS, second)


async def test_a_volume_of_two_vms_goes_to_the_elder(world: OperatorWorld, namespace: str) -> None:
    await world.apply(VOLUMES, "data", {"size": "1Gi"}, namespace)
    disks = [{"name": "data", "volume": "data"}]
    await world.apply(VIRTUAL_MACHINES, "elder", SMALL | {"disks": disks}, namespace)
    await world.until_ready("elder", namespace)
    await world.apply(VIRTUAL_MACHINES, "younger", SMALL | {"disks": disks}, namespace)
    live = await world.until_ready("younger", namespace, "VolumeInUse")
    assert "elder" in condition_of(live, "Ready")["message"]
    await world.admin.delete(VIRTUAL_MACHINES, "elder", namespace)
    await world.until_ready("younger", namespace)
