"""The life of a VM on the real API server: the real operator, and a hostd that plays its part."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import suppress
from typing import Any

import pytest

from quantix_api.resources import EVENTS, IMAGES, INSTANCE_TYPES, VIRTUAL_MACHINES, VOLUMES
from quantix_client import ApiError
from quantix_client.api import Manifest
from quantix_client.apply import owned_fields
from quantix_lab.operator_world import OperatorWorld, condition_of, says

pytestmark = pytest.mark.asyncio(loop_scope="package")

SMALL: dict[str, Any] = {"cpu": {"cores": 1}, "memory": {"size": "256Mi"}}
BLANK = {"name": "root", "size": "1Gi", "reclaimPolicy": "Delete"}


def small(**more: Any) -> dict[str, Any]:
    return SMALL | {"disks": [BLANK]} | more


async def test_a_vm_runs_after_three_writes_and_its_volume_has_two(
    world: OperatorWorld, namespace: str
) -> None:
    """A wait of 2 s is said, and is a write: on a busy machine only a start that was quicker counts."""
    for attempt in range(10):
        took_s, vm, volume = await _watched_start(world, f"{namespace}-{attempt}")
        if took_s < 1.5:
            break
    assert took_s < 1.5
    assert _writers(vm) == ["kubectl", "quantix-scheduler", "quantix-operator", "quantix-hostd"]
    assert _writers(volume) == ["quantix-operator", "quantix-hostd"]
    status = vm[-1]["status"]
    assert status["assignment"] == {"host": "h1", "epoch": 1}
    assert status["resolved"]["machineType"] == "pc-q35-7.2"
    assert status["resolved"]["cpuModel"] == "qemu64"
    assert status["resolved"]["devices"] == [{"name": "root", "port": 1}]
    assert condition_of(vm[-1], "Scheduled")["reason"] == "Assigned"
    assert condition_of(vm[-1], "VolumesReady")["reason"] == "AllReady"
    assert condition_of(vm[-1], "Protected")["reason"] == "NoOtherHost"


async def _watched_start(
    world: OperatorWorld, namespace: str
) -> tuple[float, list[Manifest], list[Manifest]]:
    """How long a start took, and every version of the VM and of its Volume, until nothing came any more."""
    await world.namespace(namespace)
    start = await world.admin.latest_version(VIRTUAL_MACHINES, namespace)
    vm: list[Manifest] = []
    volume: list[Manifest] = []
    watches = [
        asyncio.create_task(_collect(world, VIRTUAL_MACHINES, namespace, start, vm)),
        asyncio.create_task(_collect(world, VOLUMES, namespace, start, volume)),
    ]
    began_s = time.monotonic()
    await world.apply(VIRTUAL_MACHINES, "web-1", small(), namespace)
    await world.until_ready("web-1", namespace)
    took_s = time.monotonic() - began_s
    await asyncio.sleep(3.0)
    for watch in watches:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
    return took_s, vm, volume


async def _collect(world: OperatorWorld, resource: Any, namespace: str, version: str, into: Any) -> None:
    async for event in world.admin.watch(resource, namespace, resource_version=version):
        if event.type != "BOOKMARK":
            into.append(event.object)


def _writers(versions: list[Manifest]) -> list[str]:
    """Who made each version, from what it changed in managedFields; a POST's manager is the user agent."""
    writers: list[str] = []
    before: list[Manifest] = []
    for live in versions:
        entries = live["metadata"]["managedFields"]
        writers.append(" ".join(entry["manager"] for entry in entries if entry not in before))
        before = entries
    return writers


async def test_applying_the_same_again_is_no_write(world: OperatorWorld, namespace: str) -> None:
    await world.apply(VIRTUAL_MACHINES, "web-1", small(), namespace)
    before = await world.until_ready("web-1", namespace)
    again = await world.apply(VIRTUAL_MACHINES, "web-1", small(), namespace)
    await asyncio.sleep(1.0)
    after = await world.admin.get(VIRTUAL_MACHINES, "web-1", namespace)
    assert {item["metadata"]["resourceVersion"] for item in (before, again, after)} == {
        before["metadata"]["resourceVersion"]
    }


async def test_a_stopped_vm_has_no_host_and_starts_again_under_a_new_epoch(
    world: OperatorWorld, namespace: str
) -> None:
    await world.apply(VIRTUAL_MACHINES, "web-1", small(), namespace)
    await world.until_ready("web-1", namespace)
    await world.admin.patch(VIRTUAL_MACHINES, "web-1", {"spec": {"powerState": "Stopped"}}, namespace)
    stopped = await world.until(
        VIRTUAL_MACHINES, "web-1", lambda vm: "host" not in vm["status"]["assignment"], namespace
    )
    assert stopped["status"]["assignment"] == {"epoch": 2, "lastHost": "h1"}
    stopped = await world.until_ready("web-1", namespace, "Stopped")
    assert condition_of(stopped, "Ready")["status"] == "True"
    assert condition_of(stopped, "Scheduled")["reason"] == "NotWanted"

    await world.admin.patch(VIRTUAL_MACHINES, "web-1", {"spec": {"powerState": "Running"}}, namespace)
    running = await world.until_ready("web-1", namespace)
    assert running["status"]["assignment"] == {"host": "h1", "epoch": 3}


async def test_a_new_stopped_vm_is_ready_without_a_host(world: OperatorWorld, namespace: str) -> None:
    await world.apply(VIRTUAL_MACHINES, "web-1", small(powerState="Stopped"), namespace)
    live = await world.until_ready("web-1", namespace, "Stopped")
    assert condition_of(live, "Ready")["status"] == "True"
    assert "assignment" not in live["status"]


async def test_a_guest_that_powered_itself_off_is_held_until_somebody_asks(
    world: OperatorWorld, namespace: str
) -> None:
    name = f"off-{namespace}"
    await world.apply(VIRTUAL_MACHINES, name, small(), namespace)
    await world.until_ready(name, namespace)
    world.hosts["h1"].exits[name] = "GuestShutdown"
    held = await world.until(
        VIRTUAL_MACHINES, name, lambda vm: vm["status"]["assignment"].get("hold"), namespace
    )
    assert held["status"]["assignment"] == {"epoch": 2, "hold": "GuestShutdown", "lastHost": "h1"}
    held = await world.until(VIRTUAL_MACHINES, name, says("Stalled", "GuestShutdown"), namespace)
    assert condition_of(held, "Ready")["reason"] == "GuestShutdown"

    await world.admin.patch(
        VIRTUAL_MACHINES, name, {"spec": {"restart": {"at": "2026-01-01T00:00:00Z"}}}, namespace
    )
    running = await world.until_ready(name, namespace)
    assert running["status"]["assignment"] == {"host": "h1", "epoch": 3}


async def test_what_hostd_said_beside_ready_goes_when_the_operator_says_ready(
    world: OperatorWorld, namespace: str
) -> None:
    """kstatus calls failed what is Stalled: a VM that was asked to start and waits for room is not."""
    name = f"off-{namespace}"
    await world.apply(VIRTUAL_MACHINES, name, small(), namespace)
    await world.until_ready(name, namespace)
    world.hosts["h1"].exits[name] = "GuestShutdown"
    held = await world.until(
        VIRTUAL_MACHINES, name, lambda vm: vm["status"]["assignment"].get("hold"), namespace
    )
    await world.until(VIRTUAL_MACHINES, name, says("Stalled", "GuestShutdown"), namespace)
    assert "Stalled" in _conditions_of(held, "quantix-hostd")

    wanted = {"memory": {"size": "64Gi"}, "restart": {"at": "2026-01-01T00:00:00Z"}}
    await world.admin.patch(VIRTUAL_MACHINES, name, {"spec": wanted}, namespace)
    waiting = await world.until_ready(name, namespace, "NotEnoughMemory")
    assert condition_of(waiting, "Stalled") == {}
    assert condition_of(waiting, "Reconciling")["reason"] == "NotEnoughMemory"
    assert sorted(host for group in waiting["status"]["unfitHosts"] for host in group["hosts"]) == sorted(
        world.hosts
    )

    await world.admin.patch(VIRTUAL_MACHINES, name, {"spec": {"memory": {"size": "256Mi"}}}, namespace)
    running = await world.until_ready(name, namespace)
    assert condition_of(running, "Scheduled")["reason"] == "Assigned"
    assert "unfitHosts" not in running["status"]


def _conditions_of(live: Manifest, manager: str) -> set[str]:
    """The conditions that a manager owns."""
    status = owned_fields(live, manager, "status").get("status") or {}
    return {item["type"] for item in status.get("conditions") or []}


@pytest.mark.parametrize(("claims", "epoch"), [("floors", 41), ("held", 40)])
async def test_an_api_that_forgot_epochs_learns_them_from_the_claims_at_once(
    world: OperatorWorld, namespace: str, claims: str, epoch: int
) -> None:
    """As after a restore: the volumes know epoch 40, released or held by a guest that runs, and the API 1."""
    name = f"restored-{claims}"
    known: dict[str, int] = getattr(world.hosts["h1"], claims)
    known[name] = 40
    await world.apply(VIRTUAL_MACHINES, name, small(), namespace)
    running = await world.until_ready(name, namespace)
    assert running["status"]["assignment"] == {"host": "h1", "epoch": epoch}
    assert "claimEpoch" not in running["status"]["runtime"]


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


async def test_what_fits_nowhere_says_how_much_is_free(world: OperatorWorld, namespace: str) -> None:
    spec = {"cpu": {"cores": 1}, "memory": {"size": "64Gi"}, "disks": [BLANK]}
    await world.apply(VIRTUAL_MACHINES, "big-1", spec, namespace)
    live = await world.until_ready("big-1", namespace, "NotEnoughMemory")
    assert condition_of(live, "Scheduled")["message"] == condition_of(live, "Ready")["message"]
    assert "h1 1" in condition_of(live, "Ready")["message"]
    await _until_event(world, namespace, "Unschedulable")

    await world.admin.patch(VIRTUAL_MACHINES, "big-1", {"spec": {"memory": {"size": "256Mi"}}}, namespace)
    await world.until_ready("big-1", namespace)
    await _until_event(world, namespace, "Scheduled")


async def _until_event(world: OperatorWorld, namespace: str, reason: str) -> None:
    for _ in range(100):
        events = await world.admin.list(EVENTS, namespace)
        if any(event["reason"] == reason for event in events.items):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"no event {reason} in {namespace}")


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
    await _until_event(world, namespace, "Adopted")


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


async def test_what_is_not_built_is_waited_for_until_it_leaves_spec(
    world: OperatorWorld, namespace: str
) -> None:
    await world.apply(VIRTUAL_MACHINES, "web-1", small(watchdog={"action": "Reset"}), namespace)
    refused = await world.until(VIRTUAL_MACHINES, "web-1", says("Stalled", "ConfigRefused"), namespace)
    assert condition_of(refused, "Ready")["message"].startswith("spec.watchdog is not built yet")
    await asyncio.sleep(1.0)
    refused = await world.admin.get(VIRTUAL_MACHINES, "web-1", namespace)
    assert not {"assignment", "resolved"} & set(refused["status"])
    assert (await world.admin.list(VOLUMES, namespace)).items == []

    await world.apply(VIRTUAL_MACHINES, "web-1", small(), namespace)
    running = await world.until_ready("web-1", namespace)
    assert condition_of(running, "Stalled") == {}


async def test_every_condition_is_about_the_newest_spec(world: OperatorWorld, namespace: str) -> None:
    """`kubectl wait` takes no condition of an older generation."""
    await world.apply(VIRTUAL_MACHINES, "web-1", small(), namespace)
    before = await world.until_ready("web-1", namespace)
    await world.admin.patch(VIRTUAL_MACHINES, "web-1", {"spec": {"gracePeriodSeconds": 7}}, namespace)

    def is_newest(vm: Manifest) -> bool:
        seen = {item["type"]: item["observedGeneration"] for item in vm["status"]["conditions"]}
        return set(seen.values()) == {before["metadata"]["generation"] + 1} and "Scheduled" in seen

    after = await world.until(VIRTUAL_MACHINES, "web-1", is_newest, namespace)
    assert after["status"]["assignment"] == before["status"]["assignment"]
    events = [event["reason"] for event in (await world.admin.list(EVENTS, namespace)).items]
    assert events.count("Scheduled") == 1


async def test_a_blank_local_volume_of_nobody_waits_for_a_vm(world: OperatorWorld, namespace: str) -> None:
    await world.apply(VOLUMES, "spare", {"size": "1Gi"}, namespace)
    live = await world.until(VOLUMES, "spare", says("Ready", "WaitingForHost"), namespace)
    assert live["status"]["pool"] == "local"
    await world.admin.delete(VOLUMES, "spare", namespace)
    await world.until_gone(VOLUMES, "spare", namespace)
