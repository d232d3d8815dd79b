"""What a silent host was to do with a Volume in Ceph that no VM has, another one does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import pytest_asyncio

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


@pytest_asyncio.fixture(loop_scope="package")
async def in_ceph(world: OperatorWorld) -> None:
    about = {"monitors": ["192.0.2.1"], "pool": "vms", "user": "quantix", "secretRef": {"name": "ceph"}}
    await world.apply(STORAGE_POOLS, "ceph", {"rbd": about})


@pytest_asyncio.fixture(loop_scope="package")
async def kept_by(world: OperatorWorld, namespace: str, in_ceph: None) -> str:
    """The host that looks after Volume `data`, whose data is there."""
    await world.apply(VOLUMES, "data", {"pool": "ceph", "size": "1Gi"}, namespace)
    made = await world.until(VOLUMES, "data", says("Ready", "Available"), namespace)
    return str(made["status"]["host"])


@pytest.fixture
def silent(world: OperatorWorld, kept_by: str) -> Iterator[str]:
    world.hosts[kept_by].asleep = True
    yield kept_by
    world.hosts[kept_by].asleep = False


async def test_another_host_makes_what_was_sent_to_a_silent_one(
    world: OperatorWorld, namespace: str, in_ceph: None, idle: None
) -> None:
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


async def test_it_is_deleted_while_its_host_is_silent(
    world: OperatorWorld, namespace: str, silent: str
) -> None:
    await world.admin.delete(VOLUMES, "data", namespace)
    await world.until_gone(VOLUMES, "data", namespace)


async def test_it_is_copied_while_its_host_is_silent(
    world: OperatorWorld, namespace: str, silent: str
) -> None:
    await world.apply(VOLUMES, "copy", {"pool": "ceph", "source": {"volume": "data"}}, namespace)
    made = await world.until(VOLUMES, "copy", says("Ready", "Available"), namespace)
    assert made["status"]["host"] != silent
    kept = await world.admin.get(VOLUMES, "data", namespace)
    assert kept["status"]["host"] == silent, "nobody needs to be told of the source"
