"""Sizes, limits and media that a running guest gets at once, and what of them waits for a start."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.resources import IMAGES, LABEL_VIRTUAL_MACHINE_UID, NAMESPACES, VOLUMES
from quantix_client.reflector import Change
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import VmHandle, VmWorld, with_facts

_MIB = 1024**2


@pytest.fixture
async def roomy(world: VmWorld, hypervisor: FakeHypervisor) -> VmHandle:
    """A VM of 1 to 4 cores and 128 to 512 MiB that runs with an empty drive."""
    with_facts(world, cpu_controller=True)
    vm = world.add_vm(
        "roomy",
        disks={"root": world.add_volume("roomy-root")},
        cpu={"cores": 1, "maxCores": 4},
        memory={"size": "128Mi", "maxSize": "512Mi"},
        cdroms=[{"name": "install"}],
    )
    resolve(vm, maxCores=4, maxMemory="512Mi")
    await vm.reconcile()
    assert vm.status["phase"] == "Running"
    hypervisor.calls.clear()
    return vm


def resolve(vm: VmHandle, **values: Any) -> None:
    for name, value in values.items():
        vm.change("status", "resolved", name, value=value)


def set_disk(vm: VmHandle, **fields: Any) -> None:
    disk = vm.world.api.objects[vm.uid]["spec"]["disks"][0]
    vm.change("spec", "disks", value=[{**disk, **fields}])


def limit_volume(vm: VmHandle, qos: dict[str, Any] | None) -> None:
    """A user changes the Volume of the disk, of which the watch tells."""
    volumes, key = vm.world.stores[VOLUMES], "default/roomy-root"
    before = volumes[key]
    labels = {LABEL_VIRTUAL_MACHINE_UID: vm.uid}
    metadata = {**before["metadata"], "labels": labels}
    volumes[key] = {**before, "metadata": metadata, "spec": {**before["spec"], "qos": qos}}
    assert vm.uid in vm.world.reconciler.keys_of(VOLUMES, Change("MODIFIED", key, volumes[key], before))


def pending(vm: VmHandle) -> list[str]:
    return [change["path"] for change in vm.status["runtime"].get("pendingChanges", [])]


async def settled(vm: VmHandle, hypervisor: FakeHypervisor) -> list[str]:
    """What one look did, after which nothing is left to do."""
    hypervisor.calls.clear()
    await vm.reconcile()
    done = list(hypervisor.calls)
    hypervisor.calls.clear()
    await vm.reconcile()
    assert hypervisor.calls == []
    return done


async def test_cores_come_up_to_the_most_and_never_go(roomy: VmHandle, hypervisor: FakeHypervisor) -> None:
    roomy.change("spec", "cpu", value={"cores": 3, "maxCores": 4})
    resolve(roomy, cores=3)
    # CPU time is weighed for each core
    assert await settled(roomy, hypervisor) == ["cores 3", "cpu 300 -1"]
    assert pending(roomy) == []
    for cores, most in ((2, 4), (6, 6)):
        roomy.change("spec", "cpu", value={"cores": cores, "maxCores": most})
        resolve(roomy, cores=cores, maxCores=most)
        assert f"cores {cores}" not in await settled(roomy, hypervisor)
        assert "spec.cpu.cores" in pending(roomy)


async def test_memory_grows_to_the_most_and_shrinks_to_what_it_began_with(
    roomy: VmHandle, hypervisor: FakeHypervisor
) -> None:
    for size, more in ((512, 384), (256, 128), (128, 0)):
        roomy.change("spec", "memory", value={"size": f"{size}Mi", "maxSize": "512Mi"})
        resolve(roomy, memory=f"{size}Mi")
        assert await settled(roomy, hypervisor) == [f"memory {more * _MIB}"]
        assert (pending(roomy), roomy.condition("Ready")["reason"]) == ([], "Running")
    for size, most, waits in (
        (64, 512, ["size"]),
        (1024, 2048, ["maxSize", "size"]),
        (1024, 1024, ["size"]),
        (128, 1024, ["maxSize"]),
    ):
        roomy.change("spec", "memory", value={"size": f"{size}Mi", "maxSize": f"{most}Mi"})
        resolve(roomy, memory=f"{size}Mi", maxMemory=f"{most}Mi")
        assert await settled(roomy, hypervisor) == []
        assert pending(roomy) == [f"spec.memory.{name}" for name in waits]


async def test_a_guest_that_does_not_take_its_memory_is_waited_for(
    roomy: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.guest_lets_go = False
    roomy.world.reconciler = roomy.world.new_reconciler(quiet_s=0.0)
    roomy.change("spec", "memory", value={"size": "256Mi", "maxSize": "512Mi"})
    resolve(roomy, memory="256Mi")
    again = await roomy.reconcile()
    ready = roomy.condition("Ready")
    assert (ready["status"], ready["reason"], roomy.status["phase"]) == (
        "False",
        "WaitingForGuest",
        "Running",
    )
    assert "128Mi of memory so far, of 256Mi" in ready["message"]
    assert again is not None
    assert again <= 2.0


async def test_a_growth_without_room_is_said_and_keeps_nobody_from_starting_again(
    roomy: VmHandle, hypervisor: FakeHypervisor
) -> None:
    roomy.change("spec", "memory", value={"size": "64Gi"})
    no_room = {"type": "SizeGranted", "status": "False", "reason": "NotEnoughMemory", "message": "No room."}
    roomy.change("status", "conditions", value=[*roomy.status["conditions"], no_room])
    assert await settled(roomy, hypervisor) == []
    ready = roomy.condition("Ready")
    assert (roomy.status["phase"], ready["reason"], ready["message"]) == (
        "Running",
        "NotEnoughMemory",
        "No room.",
    )
    hypervisor.kill(roomy.domain)
    await roomy.reconcile()
    await roomy.look_after(6)
    assert hypervisor.calls[-1] == "resume"
    assert roomy.status["phase"] == "Running"


async def test_weight_and_limit_of_cpu_time_count_at_once(
    roomy: VmHandle, hypervisor: FakeHypervisor
) -> None:
    for fields, call in (
        ({"weight": 250, "limit": "1500m"}, "cpu 250 150000"),
        ({"weight": 250, "limit": "500m"}, "cpu 250 50000"),
        ({"weight": 10000}, "cpu 10000 -1"),
        ({}, "cpu 100 -1"),
    ):
        roomy.change("spec", "cpu", value={"cores": 1, "maxCores": 4, **fields})
        assert await settled(roomy, hypervisor) == [call]
        assert pending(roomy) == []


async def test_without_control_groups_nothing_is_weighed(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.change("spec", "cpu", value={"cores": 1, "weight": 250})
    assert await settled(running, hypervisor) == []


async def test_limits_of_a_disk_count_at_once_and_go_again(
    roomy: VmHandle, hypervisor: FakeHypervisor
) -> None:
    for qos, call in (
        ({"iops": 100}, "limits vda 100 0"),
        ({"iops": 100, "bytesPerSecond": "1Mi"}, f"limits vda 100 {_MIB}"),
        (None, "limits vda 0 0"),
    ):
        set_disk(roomy, qos=qos)
        assert await settled(roomy, hypervisor) == [call]
        assert pending(roomy) == []


async def test_where_a_disk_is_silent_the_limits_of_its_volume_count(
    roomy: VmHandle, hypervisor: FakeHypervisor
) -> None:
    writes = len(roomy.world.api.writes)
    for qos, call in (
        ({"iops": 100}, "limits vda 100 0"),
        ({"bytesPerSecond": "1Mi"}, f"limits vda 0 {_MIB}"),
        (None, "limits vda 0 0"),
    ):
        limit_volume(roomy, qos)
        assert await settled(roomy, hypervisor) == [call]
        assert pending(roomy) == []
    assert len(roomy.world.api.writes) == writes, "a limit is no news of the VM"


async def test_what_a_disk_says_of_limits_counts_as_a_whole(
    roomy: VmHandle, hypervisor: FakeHypervisor
) -> None:
    limit_volume(roomy, {"iops": 100, "bytesPerSecond": "1Mi"})
    await roomy.reconcile()
    for qos, call in (
        ({"iops": 50}, "limits vda 50 0"),
        ({}, "limits vda 0 0"),
        (None, f"limits vda 100 {_MIB}"),
    ):
        set_disk(roomy, qos=qos)
        assert await settled(roomy, hypervisor) == [call]
        assert pending(roomy) == []


async def test_a_guest_starts_with_the_limits_of_its_volume(
    world: VmWorld, hypervisor: FakeHypervisor
) -> None:
    volume = world.add_volume("web-root")
    volume["spec"]["qos"] = {"iops": 100}
    vm = world.add_vm("web", disks={"root": volume})
    await vm.reconcile()
    assert vm.status["phase"] == "Running"
    assert "<total_iops_sec>100</total_iops_sec>" in (hypervisor.found[vm.domain].live_xml or "")
    assert not [call for call in hypervisor.calls if call.startswith("limits")]


async def test_a_limit_beyond_what_qemu_counts_is_none(roomy: VmHandle, hypervisor: FakeHypervisor) -> None:
    set_disk(roomy, qos={"iops": 10**17, "bytesPerSecond": "5Ti"})
    assert await settled(roomy, hypervisor) == [f"limits vda {10**15} {5 * 1024**4}"]


async def test_a_medium_is_put_in_changed_and_taken_out(roomy: VmHandle, hypervisor: FakeHypervisor) -> None:
    paths = {}
    for name in ("tools", "other"):
        image = roomy.world.put(IMAGES, name, "default", spec={"upload": {}, "pool": "local"})
        facts = {"checksum": f"sha256:{'0' * 64}", "format": "ISO", "virtualSize": "1Mi"}
        image["status"] = {"data": "Present", **facts}
        paths[name] = roomy.world.pool / "images" / image["metadata"]["uid"]
    for medium in ("tools", "other", None):
        roomy.change("spec", "cdroms", value=[{"name": "install", **({"image": medium} if medium else {})}])
        assert await settled(roomy, hypervisor) == [f"medium ua-install {paths[medium] if medium else None}"]
        assert pending(roomy) == []


async def test_a_shared_medium_is_put_in_only_where_the_namespace_may_use_it(
    roomy: VmHandle, hypervisor: FakeHypervisor
) -> None:
    spec = {"upload": {}, "pool": "local", "allowedNamespaces": {"licence": "windows"}}
    image = roomy.world.put(IMAGES, "windows", "quantix-shared", spec=spec)
    facts = {"checksum": f"sha256:{'0' * 64}", "format": "ISO", "virtualSize": "1Mi"}
    image["status"] = {"data": "Present", **facts}
    roomy.change("spec", "cdroms", value=[{"name": "install", "image": "shared/windows"}])
    assert await settled(roomy, hypervisor) == []
    namespace = {"name": "default", "labels": {"licence": "windows"}}
    roomy.world.stores[NAMESPACES]["default"] = {"metadata": namespace}
    path = roomy.world.pool / "images" / image["metadata"]["uid"]
    assert await settled(roomy, hypervisor) == [f"medium ua-install {path}"]


async def test_what_only_a_start_changes_stays_pending(roomy: VmHandle, hypervisor: FakeHypervisor) -> None:
    set_disk(roomy, cache="Writeback", serial="OTHER")
    roomy.change("spec", "boot", value={"order": ["install", "root"]})
    assert await settled(roomy, hypervisor) == []
    assert pending(roomy) == ["spec.boot.order", "spec.disks[root].cache", "spec.disks[root].serial"]
