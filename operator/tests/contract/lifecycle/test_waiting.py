"""What a VM waits for on the real API server, what it says meanwhile, and how it goes on."""

from __future__ import annotations

import asyncio
import re
import uuid

import pytest

from quantix_api.conditions import condition_of
from quantix_api.resources import IMAGES, INSTANCE_TYPES, VIRTUAL_MACHINES, VOLUMES
from quantix_lab.operator_world import OperatorWorld, says

from .small_vm import BLANK, SMALL, small

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_a_missing_image_is_waited_for_with_a_near_name(world: OperatorWorld, namespace: str) -> None:
    await world.apply(IMAGES, "debian-13", {"upload": {}}, namespace)
    disk = {"name": "root", "image": "debian-31"}
    await world.apply(VIRTUAL_MACHINES, "web-1", SMALL | {"disks": [disk]}, namespace)
    live = await world.until_ready("web-1", namespace, "ImageNotFound")
    assert condition_of(live, "Ready")["message"].startswith(
        "There is no image debian-31 here; debian-13 is near. Try:"
    )
    assert condition_of(live, "VolumesReady")["reason"] == "ImageNotFound"
    assert "assignment" not in live["status"]

    await world.apply(IMAGES, "debian-31", {"upload": {}}, namespace)
    live = await world.until_ready("web-1", namespace)
    assert condition_of(live, "Reconciling") == {}


async def test_a_missing_instance_type_is_waited_for(world: OperatorWorld, namespace: str) -> None:
    kind = f"type-{namespace}"
    await world.apply(VIRTUAL_MACHINES, "web-1", {"instanceType": kind, "disks": [BLANK]}, namespace)
    await world.until_ready("web-1", namespace, "InstanceTypeNotFound")
    await world.apply(INSTANCE_TYPES, kind, {"cpu": {"cores": 2}, "memory": {"size": "512Mi"}})
    live = await world.until_ready("web-1", namespace)
    assert (live["status"]["resolved"]["cores"], live["status"]["resolved"]["memory"]) == (2, "512Mi")
    await world.until(INSTANCE_TYPES, kind, says("Ready", "Accepted"))


async def test_a_guest_that_runs_says_that_its_new_type_is_missing(
    world: OperatorWorld, namespace: str
) -> None:
    kind, other = f"type-{namespace}", f"other-{namespace}"
    sizes = {"cpu": {"cores": 2}, "memory": {"size": "512Mi"}}
    await world.apply(INSTANCE_TYPES, kind, sizes)
    await world.apply(VIRTUAL_MACHINES, "web-1", {"instanceType": kind, "disks": [BLANK]}, namespace)
    before = (await world.until_ready("web-1", namespace))["status"]["resolved"]
    await world.admin.patch(VIRTUAL_MACHINES, "web-1", {"spec": {"instanceType": other}}, namespace)
    told = await world.until(
        VIRTUAL_MACHINES, "web-1", says("SizeGranted", "InstanceTypeNotFound"), namespace
    )
    assert other in condition_of(told, "SizeGranted")["message"]
    assert told["status"]["resolved"] == {**before, "generation": 2}

    await world.apply(INSTANCE_TYPES, other, sizes | {"memory": {"size": "256Mi"}})
    known = await world.until(
        VIRTUAL_MACHINES, "web-1", lambda vm: vm["status"]["resolved"]["memory"] == "256Mi", namespace
    )
    assert condition_of(known, "SizeGranted") == {}


async def test_what_fits_nowhere_says_how_much_is_free(world: OperatorWorld, namespace: str) -> None:
    spec = {"cpu": {"cores": 1}, "memory": {"size": "64Gi"}, "disks": [BLANK]}
    await world.apply(VIRTUAL_MACHINES, "big-1", spec, namespace)
    live = await world.until_ready("big-1", namespace, "NotEnoughMemory")
    assert condition_of(live, "Scheduled")["message"] == condition_of(live, "Ready")["message"]
    assert re.search(r"64 GiB free: h1 [0-9]+ GiB\. Try", condition_of(live, "Ready")["message"])
    await world.until_event(namespace, "Unschedulable")

    await world.admin.patch(VIRTUAL_MACHINES, "big-1", {"spec": {"memory": {"size": "256Mi"}}}, namespace)
    await world.until_ready("big-1", namespace)
    await world.until_event(namespace, "Scheduled")


async def test_a_vm_that_grows_beyond_its_host_keeps_what_it_was_given(
    world: OperatorWorld, namespace: str
) -> None:
    await world.apply(VIRTUAL_MACHINES, "web-1", small(), namespace)
    before = (await world.until_ready("web-1", namespace))["status"]["resolved"]
    await world.admin.patch(VIRTUAL_MACHINES, "web-1", {"spec": {"memory": {"size": "64Gi"}}}, namespace)
    refused = await world.until(VIRTUAL_MACHINES, "web-1", says("SizeGranted", "NotEnoughMemory"), namespace)
    # what was decided of the newer spec is that nothing of it is given
    assert refused["status"]["resolved"] == {**before, "generation": 2}
    # and it keeps nobody else off the host
    await world.apply(VIRTUAL_MACHINES, "web-2", small(), namespace)
    await world.until_ready("web-2", namespace)

    smaller = {"memory": {"size": "300Mi"}, "hostDevices": [{"name": "gpu0", "class": "no-such"}]}
    await world.admin.patch(VIRTUAL_MACHINES, "web-1", {"spec": smaller}, namespace)
    refused = await world.until(
        VIRTUAL_MACHINES, "web-1", says("SizeGranted", "DeviceUnavailable"), namespace
    )
    resolved = refused["status"]["resolved"]
    assert ("granted" in resolved, resolved["memory"]) == (False, before["memory"])

    await world.admin.patch(VIRTUAL_MACHINES, "web-1", {"spec": {"hostDevices": None}}, namespace)
    grown = await world.until(
        VIRTUAL_MACHINES, "web-1", lambda vm: vm["status"]["resolved"]["memory"] == "300Mi", namespace
    )
    assert condition_of(grown, "SizeGranted") == {}


async def test_of_two_vms_with_one_uuid_the_younger_is_not_placed_until_the_elder_goes(
    world: OperatorWorld, namespace: str
) -> None:
    chosen = str(uuid.uuid4())
    await world.apply(VIRTUAL_MACHINES, "elder", small(identity={"uuid": chosen}), namespace)
    elder = await world.until_ready("elder", namespace)
    assert elder["status"]["resolved"]["uuid"] == chosen

    elsewhere = await world.namespace(f"{namespace}-other")
    for place, told in ((namespace, f"VM {namespace}/elder"), (elsewhere, "a VM of another namespace")):
        await world.apply(VIRTUAL_MACHINES, "younger", small(identity={"uuid": chosen}), place)
        refused = await world.until(VIRTUAL_MACHINES, "younger", says("Stalled", "IdentityConflict"), place)
        assert condition_of(refused, "Ready")["message"].startswith(f"Its UUID {chosen} is that of {told}")
        await asyncio.sleep(1.0)
        refused = await world.admin.get(VIRTUAL_MACHINES, "younger", place)
        assert not {"assignment", "resolved"} & set(refused["status"])
        assert (await world.admin.list(VOLUMES, elsewhere)).items == []

    await world.admin.delete(VIRTUAL_MACHINES, "elder", namespace)
    younger = await world.until_ready("younger", namespace)
    assert younger["status"]["resolved"]["uuid"] == chosen
    await world.until_ready("younger", elsewhere, "IdentityConflict")


async def test_a_device_that_no_host_has_is_waited_for(world: OperatorWorld, namespace: str) -> None:
    wishes = [{"name": "gpu0", "class": "gpu"}]
    await world.apply(VIRTUAL_MACHINES, "web-1", small(hostDevices=wishes), namespace)
    waiting = await world.until_ready("web-1", namespace, "DeviceUnavailable")
    assert "No host has a device of class gpu for it" in condition_of(waiting, "Ready")["message"]
    await world.apply(VIRTUAL_MACHINES, "web-1", small(), namespace)
    await world.until_ready("web-1", namespace)


async def test_a_blank_local_volume_of_nobody_waits_for_a_vm(world: OperatorWorld, namespace: str) -> None:
    await world.apply(VOLUMES, "spare", {"size": "1Gi"}, namespace)
    live = await world.until(VOLUMES, "spare", says("Ready", "WaitingForHost"), namespace)
    assert live["status"]["pool"] == "local"
    await world.admin.delete(VOLUMES, "spare", namespace)
    await world.until_gone(VOLUMES, "spare", namespace)
