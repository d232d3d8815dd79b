"""What goes with a deleted VM, what stays, and who may not be deleted yet."""

from __future__ import annotations

import asyncio

import pytest

from quantix_api.conditions import condition_of
from quantix_api.resources import IMAGES, VIRTUAL_MACHINES, VOLUMES
from quantix_client.errors import ApiError
from quantix_lab.operator_world import OperatorWorld

from .small_vm import BLANK, SMALL

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_deleting_a_vm_takes_its_own_volume_and_leaves_the_others(
    world: OperatorWorld, namespace: str
) -> None:
    disks = [BLANK, {"name": "data", "size": "2Gi"}, {"name": "extra", "volume": "extra"}]
    await world.apply(VOLUMES, "extra", {"size": "1Gi"}, namespace)
    await world.apply(VIRTUAL_MACHINES, "web-1", SMALL | {"disks": disks}, namespace)
    await world.until_ready("web-1", namespace)
    extra = await world.admin.get(VOLUMES, "extra", namespace)
    assert [item["name"] for item in extra["status"]["attachedTo"]] == ["web-1"]

    await world.admin.delete(VIRTUAL_MACHINES, "web-1", namespace)
    await world.until_gone(VIRTUAL_MACHINES, "web-1", namespace)
    await world.until_gone(VOLUMES, "web-1-root", namespace)
    kept = await world.admin.get(VOLUMES, "web-1-data", namespace)
    assert "quantix.io/virtual-machine-uid" not in kept["metadata"].get("labels", {})
    assert "attachedTo" not in (await world.admin.get(VOLUMES, "extra", namespace))["status"]


async def test_a_later_vm_adopts_what_was_retained_and_refuses_what_is_not_the_same(
    world: OperatorWorld, namespace: str
) -> None:
    data = {"name": "data", "size": "2Gi"}
    await world.apply(VIRTUAL_MACHINES, "web-1", SMALL | {"disks": [data]}, namespace)
    await world.until_ready("web-1", namespace)
    first = await world.admin.get(VOLUMES, "web-1-data", namespace)
    await world.admin.delete(VIRTUAL_MACHINES, "web-1", namespace)
    await world.until_gone(VIRTUAL_MACHINES, "web-1", namespace)

    await world.apply(IMAGES, "other", {"upload": {}}, namespace)
    await world.apply(
        VIRTUAL_MACHINES, "web-1", SMALL | {"disks": [{"name": "data", "image": "other"}]}, namespace
    )
    refused = await world.until_ready("web-1", namespace, "VolumeConflict")
    assert condition_of(refused, "Stalled")["status"] == "True"
    await world.admin.delete(VIRTUAL_MACHINES, "web-1", namespace)
    await world.until_gone(VIRTUAL_MACHINES, "web-1", namespace)

    await world.apply(VIRTUAL_MACHINES, "web-1", SMALL | {"disks": [data]}, namespace)
    await world.until_ready("web-1", namespace)
    adopted = await world.admin.get(VOLUMES, "web-1-data", namespace)
    assert adopted["metadata"]["uid"] == first["metadata"]["uid"]
    assert (adopted["status"]["host"], adopted["status"]["confirmedHost"]) == ("h1", "h1")
    await world.until_event(namespace, "Adopted")


async def test_a_protected_volume_stays_though_its_disk_says_delete(
    world: OperatorWorld, namespace: str
) -> None:
    await world.apply(VIRTUAL_MACHINES, "web-1", SMALL | {"disks": [BLANK]}, namespace)
    await world.until_ready("web-1", namespace)
    protected = {"spec": {"deletionProtection": True}}
    await world.admin.patch(VOLUMES, "web-1-root", protected, namespace)
    await world.admin.delete(VIRTUAL_MACHINES, "web-1", namespace)
    await world.until_gone(VIRTUAL_MACHINES, "web-1", namespace)
    kept = await world.admin.get(VOLUMES, "web-1-root", namespace)
    assert "ownerReferences" not in kept["metadata"]
    assert "deletionTimestamp" not in kept["metadata"]


async def test_a_vm_that_never_had_a_host_leaves_nothing_but_what_was_there_before(
    world: OperatorWorld, namespace: str
) -> None:
    disks = [{"name": "data", "size": "2Gi"}, {"name": "old", "size": "1Gi"}]
    await world.apply(VOLUMES, "web-1-old", {"size": "1Gi"}, namespace)
    # creationTimestamp tells seconds
    await asyncio.sleep(1.1)
    nowhere = {"placement": {"hostSelector": {"zone": "nowhere"}}}
    await world.apply(VIRTUAL_MACHINES, "web-1", SMALL | {"disks": disks} | nowhere, namespace)
    await world.until_ready("web-1", namespace, "NoHostFits")
    assert await world.admin.get(VOLUMES, "web-1-data", namespace)
    await world.admin.delete(VIRTUAL_MACHINES, "web-1", namespace)
    await world.until_gone(VIRTUAL_MACHINES, "web-1", namespace)
    await world.until_gone(VOLUMES, "web-1-data", namespace)
    kept = await world.admin.get(VOLUMES, "web-1-old", namespace)
    assert "quantix.io/virtual-machine-uid" not in kept["metadata"].get("labels", {})


async def test_an_image_in_use_is_not_deleted_and_its_users_are_named(
    world: OperatorWorld, namespace: str
) -> None:
    await world.apply(IMAGES, "tiny", {"upload": {}}, namespace)
    disk = {"name": "root", "image": "tiny", "reclaimPolicy": "Delete"}
    await world.apply(VIRTUAL_MACHINES, "web-1", SMALL | {"disks": [disk]}, namespace)
    await world.until_ready("web-1", namespace)
    await world.until(IMAGES, "tiny", lambda image: image["status"].get("users") == 1, namespace)
    with pytest.raises(ApiError, match="web-1"):
        await world.admin.delete(IMAGES, "tiny", namespace)

    await world.admin.delete(VIRTUAL_MACHINES, "web-1", namespace)
    await world.until(IMAGES, "tiny", lambda image: image["status"].get("users") == 0, namespace)
    await world.admin.delete(IMAGES, "tiny", namespace)
    await world.until_gone(IMAGES, "tiny", namespace)
