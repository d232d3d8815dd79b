"""A Volume in Ceph that was sent to a host which fell silent then is made by another one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quantix_api.resources import STORAGE_POOLS, VOLUMES
from quantix_client.api import Manifest
from quantix_lab.operator_world import OperatorWorld, says

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.fixture
def idle(world: OperatorWorld) -> Iterator[None]:
    """No host makes Volume `data`."""
    for host in world.hosts.values():
        host.unmade.add("data")
    yield
    for host in world.hosts.values():
        host.asleep = False
        host.unmade.discard("data")


async def test_another_host_makes_what_was_sent_to_a_silent_one(
    world: OperatorWorld, namespace: str, idle: None
) -> None:
    about = {"monitors": ["192.0.2.1"], "pool": "vms", "user": "quantix", "secretRef": {"name": "ceph"}}
    await world.apply(STORAGE_POOLS, "ceph", {"rbd": about})
    await world.apply(VOLUMES, "data", {"pool": "ceph", "size": "1Gi"}, namespace)

    def is_sent(volume: Manifest) -> bool:
        return bool((volume.get("status") or {}).get("host"))

    silent = (await world.until(VOLUMES, "data", is_sent, namespace))["status"]["host"]
    world.hosts[silent].asleep = True
    for name, host in world.hosts.items():
        if name != silent:
            host.unmade.discard("data")
    made = await world.until(VOLUMES, "data", says("Ready", "Available"), namespace)
    assert made["status"]["host"] != silent
