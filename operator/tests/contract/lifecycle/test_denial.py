"""A host that takes what it was never given, on the real API server with the real operator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from quantix_api.resources import EVENTS, STORAGE_POOLS, VIRTUAL_MACHINES, VOLUMES
from quantix_client.api import ApiClient, Manifest
from quantix_client.errors import ApiError, Forbidden
from quantix_lab.host_credentials import host_kubeconfig
from quantix_lab.operator_world import OperatorWorld

pytestmark = pytest.mark.asyncio(loop_scope="package")

SMALL: dict[str, Any] = {"cpu": {"cores": 1}, "memory": {"size": "256Mi"}}
DISK = {"name": "root", "size": "1Gi"}


@pytest_asyncio.fixture(loop_scope="package")
async def thief(world: OperatorWorld, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApiClient]:
    """Whoever has the key of host h9."""
    path = host_kubeconfig(world.control_plane, tmp_path_factory.mktemp("thief"), "h9")
    async with ApiClient.from_kubeconfig(path, user_agent="hostd") as client:
        yield client


async def claim(thief: ApiClient, volume: Manifest, manager: str, pool: str = "local") -> None:
    """Say that h9 has made the data."""
    known = volume["metadata"]
    body = {
        "metadata": {"name": known["name"], "namespace": known["namespace"]},
        "status": {
            "host": "h9",
            "phase": "Available",
            "pool": pool,
            "capacity": "1Gi",
            "handle": known["uid"],
            "data": "Present",
            "observedGeneration": 1,
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "Available",
                    "message": "It is there.",
                    "lastTransitionTime": "2026-11-24T10:00:00Z",
                }
            ],
        },
    }
    await thief.apply(VOLUMES, body, manager=manager, subresource="status")


@pytest.mark.parametrize("manager", ["quantix-hostd", "quantix-scheduler"])
async def test_a_host_draws_no_vm_to_itself_by_taking_its_volume(
    world: OperatorWorld, namespace: str, thief: ApiClient, manager: str
) -> None:
    spec = SMALL | {"disks": [DISK]}
    await world.apply(VIRTUAL_MACHINES, "web-1", spec | {"powerState": "Stopped"}, namespace)
    volume = await world.until(VOLUMES, "web-1-root", lambda found: True, namespace)
    await claim(thief, volume, manager)
    await _until_denied(world, namespace)
    cleared = await world.until(
        VOLUMES, "web-1-root", lambda found: "host" not in (found.get("status") or {}), namespace
    )
    assert not {"handle", "data", "capacity"} & set(cleared["status"])

    await world.admin.patch(VIRTUAL_MACHINES, "web-1", {"spec": {"powerState": "Running"}}, namespace)
    running = await world.until_ready("web-1", namespace)
    assert running["status"]["assignment"]["host"] == "h1"
    assert (await world.admin.get(VOLUMES, "web-1-root", namespace))["status"]["host"] == "h1"


async def test_a_host_takes_no_volume_in_ceph_either(
    world: OperatorWorld, namespace: str, thief: ApiClient
) -> None:
    pool = f"ceph-{namespace}"
    rbd = {"monitors": ["192.0.2.1"], "pool": "quantix", "user": "u", "secretRef": {"name": "s"}}
    await world.apply(STORAGE_POOLS, pool, {"rbd": rbd})
    spec = SMALL | {"disks": [DISK | {"pool": pool}], "powerState": "Stopped"}
    await world.apply(VIRTUAL_MACHINES, "web-1", spec, namespace)
    volume = await world.until(VOLUMES, "web-1-root", lambda found: True, namespace)
    await claim(thief, volume, "quantix-hostd", pool)
    await _until_denied(world, namespace)
    cleared = await world.until(
        VOLUMES, "web-1-root", lambda found: "host" not in (found.get("status") or {}), namespace
    )
    assert not {"handle", "data", "capacity", "pool"} & set(cleared["status"])


async def test_a_volume_of_an_assigned_vm_goes_to_that_vms_host(
    world: OperatorWorld, namespace: str, thief: ApiClient
) -> None:
    name = f"late-{namespace}"
    spec = SMALL | {"disks": [DISK]}
    await world.apply(VIRTUAL_MACHINES, name, spec, namespace)
    await world.until_ready(name, namespace)
    world.hosts["h1"].unmade.add(f"{name}-more")
    more = [DISK, {"name": "more", "size": "1Gi"}]
    await world.admin.patch(VIRTUAL_MACHINES, name, {"spec": {"disks": more}}, namespace)
    volume = await world.until(VOLUMES, f"{name}-more", lambda found: True, namespace)
    await claim(thief, volume, "quantix-hostd")
    await world.until(
        VOLUMES, f"{name}-more", lambda found: (found.get("status") or {}).get("host") == "h1", namespace
    )
    with pytest.raises(Forbidden, match="acts on this object"):
        await claim(thief, volume, "quantix-hostd")
    await _until_denied(world, namespace)
    world.hosts["h1"].unmade.clear()
    await world.until(
        VOLUMES, f"{name}-more", lambda found: found["status"].get("data") == "Present", namespace
    )


async def test_a_volume_that_was_kept_is_not_denied_to_its_host(
    world: OperatorWorld, namespace: str, thief: ApiClient
) -> None:
    await world.apply(VIRTUAL_MACHINES, "web-1", SMALL | {"disks": [DISK]}, namespace)
    await world.until_ready("web-1", namespace)
    await world.admin.patch(VIRTUAL_MACHINES, "web-1", {"spec": {"powerState": "Stopped"}}, namespace)
    await world.until_ready("web-1", namespace, "Stopped")
    volume = await world.admin.get(VOLUMES, "web-1-root", namespace)
    assert volume["status"]["host"] == "h1"
    assert "confirmedHost" not in volume["status"], "no write while the VM itself proves it"
    await world.admin.delete(VIRTUAL_MACHINES, "web-1", namespace)
    kept = await world.until(
        VOLUMES, "web-1-root", lambda found: found["status"].get("confirmedHost") == "h1", namespace
    )
    assert kept["status"]["host"] == "h1"
    with pytest.raises(ApiError, match="acts on this object"):
        await claim(thief, kept, "quantix-hostd")


async def _until_denied(world: OperatorWorld, namespace: str) -> None:
    for _ in range(100):
        events = (await world.admin.list(EVENTS, namespace)).items
        denied = [event for event in events if event["reason"] == "Denied"]
        if denied:
            assert "Host h9 says that it keeps volume" in denied[0]["note"]
            assert denied[0]["regarding"]["kind"] == "Volume"
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"no event Denied in {namespace}")
