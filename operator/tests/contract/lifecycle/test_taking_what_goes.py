"""A volume that goes with its VM is not given to another one first, to be deleted under that later."""

from __future__ import annotations

import pytest

from quantix_api.resources import VIRTUAL_MACHINES, VOLUMES
from quantix_lab.operator_world import OperatorWorld

from .small_vm import SMALL, small

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_who_waits_for_a_volume_that_goes_with_its_vm_does_not_get_it(
    world: OperatorWorld, namespace: str
) -> None:
    await world.apply(VIRTUAL_MACHINES, "web-1", small(), namespace)
    await world.until_ready("web-1", namespace)
    names_it = SMALL | {"disks": [{"name": "old", "volume": "web-1-root"}]}
    await world.apply(VIRTUAL_MACHINES, "web-2", names_it, namespace)
    await world.until_ready("web-2", namespace, "VolumeInUse")
    volume = await world.admin.get(VOLUMES, "web-1-root", namespace)
    assert "attachedTo" not in volume["status"]
    await world.admin.delete(VIRTUAL_MACHINES, "web-1", namespace)
    await world.until_gone(VIRTUAL_MACHINES, "web-1", namespace)
    await world.until_gone(VOLUMES, "web-1-root", namespace)
    await world.until_ready("web-2", namespace, "VolumeNotFound")
