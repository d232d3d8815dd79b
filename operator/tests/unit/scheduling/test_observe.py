"""What a pass looks at: each VM that keeps its host once a version, and of it no disks."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Host, VirtualMachine
from quantix_api.compute import memory_request_bytes
from quantix_api.resources import (
    HOSTS,
    IMAGES,
    LABEL_VIRTUAL_MACHINE_UID,
    QUANTIX_RESOURCES,
    VIRTUAL_MACHINES,
    VOLUMES,
)
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.scheduling.host_reading import view_of
from quantix_operator.scheduling.model import GIB, Guest, Node
from quantix_operator.scheduling.observe import Candidate, observe


def vm(version: int, host: str = "", *, epoch: int = 1, **runtime: Any) -> dict[str, Any]:
    status = {"assignment": {"epoch": epoch, **({"host": host} if host else {})}, "runtime": runtime}
    metadata = {"name": "web", "namespace": "a", "uid": "uid-web", "resourceVersion": str(version)}
    spec = {"cpu": {"cores": 1}, "memory": {"size": "1Gi"}, "disks": [{"name": "root", "size": "1Gi"}]}
    return {"metadata": metadata, "spec": spec, "status": status}


def volume(version: int, host: str) -> dict[str, Any]:
    labels = {LABEL_VIRTUAL_MACHINE_UID: "uid-web"}
    metadata = {"name": "web-root", "namespace": "a", "uid": "uid-root", "resourceVersion": str(version)}
    return {"metadata": {**metadata, "labels": labels}, "spec": {"pool": "local"}, "status": {"host": host}}


def seen(cache: Cache, objects: Objects) -> Candidate:
    (found,) = observe(objects).candidates
    return found


def test_a_vm_that_keeps_its_host_is_worked_out_once_a_version() -> None:
    cache = Cache(QUANTIX_RESOURCES)
    objects = Objects(cache)
    cache.put(VIRTUAL_MACHINES, vm(1, "h1"))
    first = seen(cache, objects)
    assert first.facts.assignment.host == "h1"
    assert seen(cache, objects) is first
    cache.put(VIRTUAL_MACHINES, vm(2, "h2"))
    assert seen(cache, objects).facts.assignment.host == "h2"


def test_a_vm_that_let_its_host_go_asks_with_all_that_it_needs() -> None:
    cache = Cache(QUANTIX_RESOURCES)
    objects = Objects(cache)
    cache.put(VIRTUAL_MACHINES, vm(1, "h1", observedEpoch=1, domain="Absent"))
    assert seen(cache, objects).facts.prepared is False, "its volume is not there"
    cache.put(VOLUMES, volume(2, "h1"))
    found = seen(cache, objects)
    assert found.facts.prepared is True
    assert found.guest is not None
    assert [pin.host for pin in found.guest.pins] == ["h1"]
    cache.put(VOLUMES, volume(3, ""))
    again = seen(cache, objects)
    assert again.guest is not None
    assert again.guest.pins == ()


@pytest.mark.parametrize(
    ("had", "prepared"),
    [
        (None, False),
        ({"name": "eth0", "port": "p", "addresses": ["10.9.0.8"]}, False),
        ({"name": "eth0", "port": "p", "addresses": ["10.9.0.7", "fd00::7"]}, True),
    ],
    ids=["nothing", "another", "it"],
)
def test_a_vm_asks_for_a_host_once_it_has_the_address_that_it_names(had: Any, prepared: bool) -> None:
    cache = Cache(QUANTIX_RESOURCES)
    manifest = vm(1)
    manifest["spec"] |= {"disks": [], "nics": [{"name": "eth0", "network": "lan", "addresses": ["10.9.0.7"]}]}
    manifest["status"] |= {"nics": [had]} if had else {}
    cache.put(VIRTUAL_MACHINES, manifest)
    assert seen(cache, Objects(cache)).facts.prepared is prepared


def test_a_vm_needs_the_images_of_disks_that_are_not_made_yet() -> None:
    cache = Cache(QUANTIX_RESOURCES)
    objects = Objects(cache)
    cache.put(VIRTUAL_MACHINES, vm(1))
    image = {"name": "tiny", "namespace": "quantix-shared", "uid": "uid-tiny", "resourceVersion": "2"}
    cache.put(IMAGES, {"metadata": image, "spec": {"upload": {}}})
    disk = volume(3, "")
    disk["spec"]["source"] = {"image": "shared/tiny"}
    cache.put(VOLUMES, disk)
    found = seen(cache, objects).guest
    assert found is not None
    assert found.images == {"uid-tiny"}
    made = volume(4, "h1")
    made["spec"]["source"], made["status"]["data"] = {"image": "shared/tiny"}, "Present"
    cache.put(VOLUMES, made)
    found = seen(cache, objects).guest
    assert found is not None
    assert found.images == frozenset()


def test_a_host_has_the_images_that_it_says() -> None:
    images = [{"uid": "uid-tiny", "pool": "local", "size": "1Mi"}]
    host = Host.model_validate({"metadata": {"name": "h1"}, "spec": {}, "status": {"images": images}})
    assert view_of(host, [], None).images == {"uid-tiny"}


@pytest.mark.parametrize(
    ("asks", "path", "running", "counted"),
    [
        ({"memory": {"size": "1Gi", "hugepages": "2Mi"}}, "spec.memory.hugepages", None, (True, 0)),
        ({"memory": {"size": "1Gi", "hugepages": "2Mi"}}, "", None, (False, 0)),
        ({"cpu": {"cores": 2, "dedicated": True}}, "", None, (True, 2)),
        ({"cpu": {"cores": 2}}, "spec.cpu.dedicated", "true", (True, 2)),
    ],
)
def test_of_a_guest_that_runs_counts_what_it_was_started_with(
    asks: dict[str, Any], path: str, running: str | None, counted: tuple[bool, int]
) -> None:
    cache = Cache(QUANTIX_RESOURCES)
    waits = [{"path": path, "running": running}] if path else []
    manifest = vm(1, "h1", observedEpoch=1, domain="Present", pendingChanges=waits)
    manifest["spec"] |= asks
    cache.put(VIRTUAL_MACHINES, manifest)
    guest = seen(cache, Objects(cache)).guest
    assert guest is not None
    assert (guest.memory_bytes > GIB, guest.own_cpus) == counted


def test_a_vm_that_runs_reserves_no_more_than_it_can_use() -> None:
    cache = Cache(QUANTIX_RESOURCES)
    manifest = vm(1, "h1", observedEpoch=1, domain="Present")
    manifest["spec"]["cpu"] = {"cores": 500, "reservation": "500"}
    granted = {"reservation": "500"}
    manifest["status"]["resolved"] = {"uuid": "u", "cores": 1, "memory": "1Gi", "granted": granted}
    cache.put(VIRTUAL_MACHINES, manifest)
    guest = seen(cache, Objects(cache)).guest
    assert guest is not None
    assert guest.reservation_millis == 1000
    manifest = vm(2)
    manifest["spec"]["cpu"] = {"cores": 2, "reservation": "500"}
    cache.put(VIRTUAL_MACHINES, manifest)
    guest = seen(cache, Objects(cache)).guest
    assert guest is not None
    assert guest.reservation_millis == 2000


def test_what_is_worked_out_of_an_object_goes_with_it() -> None:
    cache = Cache(QUANTIX_RESOURCES)
    objects, done = Objects(cache), []

    def work(found: VirtualMachine) -> int:
        done.append(found.metadata.resource_version)
        return len(done)

    cache.put(VIRTUAL_MACHINES, vm(1))
    model = objects.get(VirtualMachine, "a/web")
    assert model is not None
    assert [objects.once(model, work), objects.once(model, work)] == [1, 1]
    cache.remove(VIRTUAL_MACHINES, vm(2))
    assert objects.once(model, work) == 2


def test_what_a_host_tells_of_its_devices_is_counted_by_class() -> None:
    why = "The IOMMU is off: 0000:5e:00.0 has no group. Try: turn VT-d on."
    devices = [
        {"address": "0000:3b:00.0/nvidia-710", "class": "vgpu", "total": 4, "free": 1},
        {"address": "0000:3c:00.0/nvidia-710", "class": "vgpu", "total": 2, "free": 2},
        {"address": "0000:5e:00.0", "class": "gpu", "total": 0, "free": 0, "message": why},
    ]
    host = Host.parse({"metadata": {"name": "h1"}, "spec": {}, "status": {"devices": devices}})
    seen = view_of(host, (), None)
    assert dict(seen.devices) == {"vgpu": 6, "gpu": 0}
    assert seen.device_problems == {"gpu": "The IOMMU is off: 0000:5e:00.0 has no group"}


def test_of_a_node_guests_get_neither_the_lowest_cpus_nor_its_huge_pages_as_memory() -> None:
    numa = [
        {"id": 1, "cpus": "2-3,6-7", "memory": "4Gi"},
        {"id": 0, "cpus": "0-1,4-5", "memory": "4Gi", "hugepages": [{"size": "2Mi", "total": 512}]},
    ]
    spec = {"reserved": {"cpus": 2}}
    host = Host.parse({"metadata": {"name": "h1"}, "spec": spec, "status": {"numa": numa}})
    assert view_of(host, (), None).nodes == (
        Node(2, 3 * GIB, {"2Mi": GIB}),
        Node(4, 4 * GIB),
    )


def test_a_vm_that_mirrors_nodes_is_bound_to_their_memory() -> None:
    cpu = {"cores": 2, "dedicated": True, "numa": "Strict"}
    body = vm(1, "h1", observedEpoch=1)
    body["spec"] |= {"cpu": cpu, "memory": {"size": "1Gi", "hugepages": "2Mi"}}
    cache = Cache(QUANTIX_RESOURCES)
    cache.put(VIRTUAL_MACHINES, body)
    guest = seen(cache, Objects(cache)).guest
    assert guest is not None
    assert (guest.own_cpus, guest.bound_bytes, guest.page_size) == (2, GIB, "2Mi")


def test_a_guest_that_runs_has_the_devices_and_pages_that_it_was_started_with() -> None:
    waits = [
        {"path": "spec.hostDevices[gone]", "running": "gpu"},
        {"path": "spec.hostDevices[new]", "wanted": "gpu"},
        {"path": "spec.hostDevices[other]", "running": "fpga", "wanted": "gpu"},
        {"path": "spec.memory.hugepages", "running": "2Mi"},
    ]
    manifest = vm(1, "h1", observedEpoch=1, domain="Present", pendingChanges=waits)
    devices = [{"name": "same", "class": "gpu"}]
    granted = {"hugepages": "2Mi", "hostDevices": devices}
    manifest["status"]["resolved"] = {"uuid": "u", "cores": 1, "memory": "1Gi", "granted": granted}
    manifest["spec"]["hostDevices"] = devices
    cache = Cache(QUANTIX_RESOURCES)
    cache.put(VIRTUAL_MACHINES, manifest)
    guest = seen(cache, Objects(cache)).guest
    assert guest is not None
    assert sorted(guest.device_classes) == ["fpga", "gpu", "gpu"]
    assert (guest.page_size, guest.huge_bytes) == ("2Mi", {"2Mi": GIB})


def counted_with(granted: dict[str, Any], waits: list[dict[str, str]], **asks: Any) -> Guest:
    """As the scheduler counts a VM that runs with 2 cores, of 4 that it may reach."""
    manifest = vm(1, "h1", observedEpoch=1, domain="Present", pendingChanges=waits)
    size = {"uuid": "u", "cores": 2, "maxCores": 4, "memory": "1Gi"}
    manifest["status"]["resolved"] = size | ({"granted": granted} if granted else {})
    manifest["spec"] |= asks
    cache = Cache(QUANTIX_RESOURCES)
    cache.put(VIRTUAL_MACHINES, manifest)
    guest = seen(cache, Objects(cache)).guest
    assert guest is not None
    return guest


def test_what_a_vm_asks_for_to_itself_counts_for_nothing_until_it_is_granted() -> None:
    cpu = {"cores": 2, "maxCores": 4, "dedicated": True, "numa": "Strict", "reservation": "1500m"}
    asks = {"cpu": cpu, "memory": {"size": "1Gi", "hugepages": "2Mi"}}
    devices = [{"name": "new", "class": "gpu"}]
    guest = counted_with({}, [], **asks, hostDevices=devices)
    assert (guest.own_cpus, guest.bound_bytes, guest.huge_bytes, guest.device_classes) == (0, 0, {}, ())
    assert guest.reservation_millis is None, "the share that overcommit leaves"
    guest = counted_with({"reservation": "1500m"}, [], **asks)
    assert guest.reservation_millis == 1500, "all of its cores only once they are its own"


def test_what_is_granted_counts_beside_what_the_guest_still_runs_with() -> None:
    granted = {
        "dedicated": True,
        "numa": "Strict",
        "hugepages": "1Gi",
        "hostDevices": [{"name": "new", "class": "gpu"}, {"name": "other", "class": "gpu"}],
    }
    waits = [
        {"path": "spec.cpu.dedicated", "running": "false", "wanted": "true"},
        {"path": "spec.hostDevices[new]", "wanted": "gpu"},
        {"path": "spec.hostDevices[other]", "running": "fpga", "wanted": "gpu"},
        {"path": "spec.memory.hugepages", "running": "2Mi", "wanted": "1Gi"},
    ]
    guest = counted_with(granted, waits, hostDevices=granted["hostDevices"])
    assert (guest.own_cpus, guest.reservation_millis, guest.bound_bytes) == (4, 4000, GIB)
    assert guest.huge_bytes == {"2Mi": GIB, "1Gi": GIB}
    assert sorted(guest.device_classes) == ["fpga", "gpu", "gpu"]


def test_memory_that_is_to_move_into_huge_pages_counts_in_both_until_then() -> None:
    waits = [{"path": "spec.memory.hugepages", "wanted": "2Mi"}]
    guest = counted_with({"hugepages": "2Mi"}, waits)
    assert (guest.memory_bytes > GIB, guest.huge_bytes) == (True, {"2Mi": GIB})


@pytest.mark.parametrize(
    ("runtime", "returning"),
    [
        ({"lastExit": {"reason": "HostShutdown", "at": "2026-11-24T10:00:00Z"}}, True),
        ({"lastExit": {"reason": "Requested", "at": "2026-11-24T10:00:00Z"}}, False),
        ({}, False),
    ],
)
def test_a_guest_tells_whether_its_host_took_its_place_and_how_old_its_vm_is(
    runtime: dict[str, Any], *, returning: bool
) -> None:
    cache = Cache(QUANTIX_RESOURCES)
    manifest = vm(1, "h1", observedEpoch=1, domain="Absent", **runtime)
    manifest["metadata"]["creationTimestamp"] = "2026-11-20T00:00:00Z"
    cache.put(VIRTUAL_MACHINES, manifest)
    guest = seen(cache, Objects(cache)).guest
    assert guest is not None
    assert (guest.returning, guest.created) == (returning, "2026-11-20T00:00:00Z")


@pytest.mark.parametrize("returning", [True, False])
def test_who_waits_for_a_host_goes_first_as_its_assignment_says_and_not_as_it_ended_once(
    *, returning: bool
) -> None:
    cache = Cache(QUANTIX_RESOURCES)
    last = {"reason": "HostShutdown", "at": "2026-11-24T10:00:00Z"}
    manifest = vm(1, observedEpoch=1, domain="Absent", lastExit=last)
    manifest["status"]["assignment"] |= {"returning": True} if returning else {}
    cache.put(VIRTUAL_MACHINES, manifest)
    guest = seen(cache, Objects(cache)).guest
    assert guest is not None
    assert guest.returning is returning


def test_a_device_that_left_spec_counts_no_more_once_no_guest_runs_with_it() -> None:
    assert counted_with({"hostDevices": [{"name": "gone", "class": "gpu"}]}, []).device_classes == ()


@pytest.mark.parametrize(
    ("resolved", "memory", "millis"),
    [
        ({"cores": "many", "memory": "1Gi"}, 3 * GIB - memory_request_bytes(GIB), 0),
        ({"cores": 2, "memory": "5Zi", "devices": "none"}, 0, 3500),
        ({"uuid": "u", "cores": 2, "memory": "5Zi"}, 0, 3500),
    ],
    ids=["cores are no number", "devices are no list", "memory is no size"],
)
def test_the_room_of_a_vm_that_is_not_understood_is_nobody_elses(
    resolved: dict[str, Any], memory: int, millis: int
) -> None:
    cache, ready = Cache(QUANTIX_RESOURCES), {"type": "Ready", "status": "True", "reason": "Healthy"}
    reserved = {"cpus": 0, "memory": "1Gi"}
    for name in ("h1", "h2"):
        metadata = {"name": name, "uid": name, "resourceVersion": "1"}
        status = {"conditions": [ready], "cpus": 4, "memory": "4Gi"}
        cache.put(HOSTS, {"metadata": metadata, "spec": {"reserved": reserved}, "status": status})
    strange = vm(2, "h1", observedEpoch=1, domain="Present")
    strange["status"]["resolved"] = resolved
    cache.put(VIRTUAL_MACHINES, strange)
    beside, other = sorted(observe(Objects(cache)).hosts, key=lambda host: host.name)
    assert (other.memory_bytes, other.cpu_millis) == (3 * GIB, 4000)
    assert (beside.memory_bytes, beside.cpu_millis) == (memory, millis)
