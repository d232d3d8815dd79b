"""A Volume in Ceph that no VM has is looked after by another host once its own is silent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import pytest_asyncio

from quantix_api.resources import STORAGE_POOLS, VOLUMES
from quantix_client.api import Manifest
from quantix_lab.operator_world import OperatorWorld, says

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest_asyncio.fixture(loop_scope="package")
async def kept_by(world: OperatorWorld, namespace: str) -> str:
    """The host of Volume `data`, which lies in Ceph."""
    about = {"monitors": ["192.0.2.1"], "pool": "vms", "user": "quantix", "secretRef": {"name": "ceph"}}
    await world.apply(STORAGE_POOLS, "ceph", {"rbd": about})
    await world.apply(VOLUMES, "data", {"pool": "ceph", "size": "1Gi"}, namespace)
    made = await world.until(VOLUMES, "data", says("Ready", "Available"), namespace)
    return str(made["status"]["host"])


@pytest.fixture
def silent(world: OperatorWorld, kept_by: str) -> Iterator[str]:
    world.hosts[kept_by].asleep = True
    yield kept_by
    world.hosts[kept_by].asleep = False


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

    def is_taken_over(volume: Manifest) -> bool:
        return bool(volume["status"]["host"] == made["status"]["host"] != silent)

    await world.until(VOLUMES, "data", is_taken_over, namespace)
