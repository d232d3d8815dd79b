"""Devices of the host that guests have to themselves: given, kept, told, and never given twice."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.errors import WaitingError
from quantix_api.host_spec import HostSpec
from quantix_hostd.facts.devices import OfferedDevice, Seat
from quantix_hostd.facts.load import MachineLoad
from quantix_hostd.virtualmachine.balloon import Balloons
from quantix_hostd.virtualmachine.device_entries import DeviceEntries
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.fake_sysfs import FakeSysfs
from quantix_lab.vm_world import VmHandle, VmWorld

FIRST, SECOND, CARD = "0000:3b:00.0", "0000:5e:00.0", "10de:2236"
KIND = "nvidia-710"


@pytest.fixture
def sysfs(world: VmWorld) -> FakeSysfs:
    """Two cards, each in a group of its own, that the host offers."""
    found = FakeSysfs(world.layout.root)
    found.add_function(FIRST, CARD, driver="nouveau", group="14")
    found.add_function(SECOND, CARD, driver="nouveau", group="15")
    world.host = HostSpec.model_validate({"devices": [{"class": "gpu", "match": CARD}]})
    world.reconciler = world.new_reconciler(quiet_s=0.0)
    return found


def add(world: VmWorld, name: str, *devices: str, class_: str = "gpu") -> VmHandle:
    wishes = [{"name": device, "class": class_} for device in devices]
    vm = world.add_vm(name, disks={"root": world.add_volume(f"{name}-root")}, hostDevices=wishes)
    ports = [{"name": device, "port": port} for port, device in enumerate(("root", *devices), 1)]
    vm.change("status", "resolved", "devices", value=ports)
    return vm


def given(hypervisor: FakeHypervisor, vm: VmHandle) -> list[dict[str, str]]:
    """The guest's places of the host's devices, as libvirt has them."""
    with hypervisor.live(vm.domain) as root:
        return [dict(found.attrib) for found in root.iterfind("devices/hostdev/source/address")]


def bus_of(hypervisor: FakeHypervisor, vm: VmHandle) -> list[str]:
    return [place["bus"] for place in given(hypervisor, vm)]


def pending(vm: VmHandle) -> list[tuple[str, str, str]]:
    found = vm.status["runtime"].get("pendingChanges", [])
    return [(item["path"], item.get("running", ""), item.get("wanted", "")) for item in found]


async def test_no_two_guests_have_one_device_and_one_that_finds_none_waits(
    world: VmWorld, hypervisor: FakeHypervisor, sysfs: FakeSysfs
) -> None:
    first, second, third = (add(world, name, "gpu0") for name in ("a", "b", "c"))
    for vm in (first, second, third):
        await vm.reconcile()
    assert (bus_of(hypervisor, first), bus_of(hypervisor, second)) == (["0x3b"], ["0x5e"])
    assert third.domain not in hypervisor.found
    ready = third.condition("Ready")
    assert (ready["reason"], ready["message"].partition(" Try")[0]) == (
        "DeviceUnavailable",
        "h1 has no device of class gpu for it: too few are free.",
    )
    second.change("spec", "powerState", value="Stopped")
    for _ in range(3):
        await second.reconcile()
    await third.look_after(5)
    assert bus_of(hypervisor, third) == ["0x5e"]


async def test_hostd_that_comes_back_gives_no_device_twice(
    world: VmWorld, hypervisor: FakeHypervisor, sysfs: FakeSysfs
) -> None:
    first, second = add(world, "a", "gpu0", "gpu1"), add(world, "b", "gpu0")
    await first.reconcile()
    world.reconciler = world.new_reconciler(quiet_s=0.0)
    await second.reconcile()
    assert bus_of(hypervisor, first) == ["0x3b", "0x5e"]
    assert second.domain not in hypervisor.found


async def test_a_group_is_one_guests(world: VmWorld, hypervisor: FakeHypervisor) -> None:
    sysfs = FakeSysfs(world.layout.root)
    for function in ("0000:3b:00.0", "0000:3b:00.1"):
        sysfs.add_function(function, CARD, driver="vfio-pci", group="14")
    world.host = HostSpec.model_validate({"devices": [{"class": "gpu", "match": CARD}]})
    first, other, both = add(world, "a", "gpu0"), add(world, "b", "gpu0"), add(world, "c", "gpu0", "gpu1")
    await first.reconcile()
    await other.reconcile()
    assert other.domain not in hypervisor.found
    first.change("spec", "powerState", value="Stopped")
    for _ in range(3):
        await first.reconcile()
    await both.reconcile()
    assert len(given(hypervisor, both)) == 2


@pytest.mark.parametrize(
    ("class_", "why"),
    [("gpu", "The IOMMU is off: 0000:3b:00.0 has no group"), ("fpga", "none is offered")],
)
async def test_a_vm_that_cannot_have_its_device_says_why(world: VmWorld, class_: str, why: str) -> None:
    FakeSysfs(world.layout.root).add_function(FIRST, CARD)
    world.host = HostSpec.model_validate({"devices": [{"class": "gpu", "match": CARD}]})
    world.reconciler = world.new_reconciler(quiet_s=0.0)
    vm = add(world, "a", "dev0", class_=class_)
    await vm.reconcile()
    assert f"h1 has no device of class {class_} for it: {why}. Try:" in vm.condition("Ready")["message"]


async def test_what_changes_while_the_guest_runs_waits_for_its_next_start(
    world: VmWorld, hypervisor: FakeHypervisor, sysfs: FakeSysfs
) -> None:
    vm = add(world, "a", "gpu0")
    await vm.reconcile()
    assert pending(vm) == []
    wishes: list[dict[str, Any]] = [{"name": "gpu0", "class": "fpga"}, {"name": "gpu1", "class": "gpu"}]
    vm.change("spec", "hostDevices", value=wishes)
    ports = [{"name": name, "port": port} for port, name in enumerate(("root", "gpu0", "gpu1"), 1)]
    vm.change("status", "resolved", "devices", value=ports)
    vm.grant()
    hypervisor.calls.clear()
    await vm.reconcile()
    assert hypervisor.calls == []
    assert pending(vm) == [("spec.hostDevices[gpu0]", "gpu", "fpga"), ("spec.hostDevices[gpu1]", "", "gpu")]
    assert vm.status["phase"] == "Running"


async def test_no_device_is_taken_that_was_not_granted(
    world: VmWorld, hypervisor: FakeHypervisor, sysfs: FakeSysfs
) -> None:
    vm = add(world, "a", "gpu0")
    vm.change("status", "resolved", "granted", value={"hostDevices": []})
    await vm.reconcile()
    assert vm.domain not in hypervisor.found
    assert "hostDevices[gpu0]" in vm.condition("Ready")["message"]
    refused = {"type": "SizeGranted", "status": "False", "reason": "DeviceUnavailable", "message": "None."}
    vm.change("status", "conditions", value=[*vm.status["conditions"], refused])
    await vm.look_after(5)
    assert (vm.domain in hypervisor.found, given(hypervisor, vm)) == (True, [])
    assert world.tools.devices.entries().held.get(vm.uid, {}) == {}


async def test_mediated_devices_are_made_at_the_start(world: VmWorld, hypervisor: FakeHypervisor) -> None:
    sysfs = FakeSysfs(world.layout.root)
    sysfs.add_function(FIRST, CARD, driver="nvidia")
    sysfs.add_type(FIRST, KIND, 2)
    world.host = HostSpec.model_validate({"devices": [{"class": "gpu", "match": CARD, "mdevType": KIND}]})
    first, second = add(world, "a", "gpu0"), add(world, "b", "gpu0")
    await first.reconcile()
    made = sysfs.obey(FIRST, KIND)
    assert given(hypervisor, first) == [{"uuid": made}]
    await second.reconcile()
    assert given(hypervisor, second) != given(hypervisor, first)


async def test_a_mediated_device_that_was_made_for_a_guest_goes_after_it(
    world: VmWorld, hypervisor: FakeHypervisor
) -> None:
    sysfs = FakeSysfs(world.layout.root)
    sysfs.add_function(FIRST, CARD, driver="nvidia")
    sysfs.add_type(FIRST, KIND, 2)
    world.host = HostSpec.model_validate({"devices": [{"class": "gpu", "match": CARD, "mdevType": KIND}]})
    (sysfs.pci / FIRST / "mdev_supported_types" / KIND / "create").write_text("an-administrators")
    sysfs.obey(FIRST, KIND)
    first, second = add(world, "a", "gpu0"), add(world, "b", "gpu0")
    await first.reconcile()
    assert given(hypervisor, first) == [{"uuid": "an-administrators"}]
    await second.reconcile()
    made = sysfs.obey(FIRST, KIND)
    # as after a restart of hostd
    world.reconciler = world.new_reconciler(quiet_s=0.0)
    await world.tools.devices.look()
    assert sysfs.removed() == set(), "guests have them"
    for vm in (first, second):
        vm.change("spec", "powerState", value="Stopped")
        for _ in range(3):
            await vm.reconcile()
    await world.tools.devices.look()
    assert sysfs.removed() == {made}


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_host_that_offers_nothing_any_more_removes_what_hostd_made_and_no_guest_has(
    world: VmWorld, hypervisor: FakeHypervisor, restarted: bool
) -> None:
    sysfs = FakeSysfs(world.layout.root)
    sysfs.add_function(FIRST, CARD, driver="nvidia")
    sysfs.add_type(FIRST, KIND, 3)
    world.host = HostSpec.model_validate({"devices": [{"class": "gpu", "match": CARD, "mdevType": KIND}]})
    first, second = add(world, "a", "gpu0"), add(world, "b", "gpu0")
    made = []
    for vm in (first, second):
        await vm.reconcile()
        made.append(sysfs.obey(FIRST, KIND))
    (sysfs.pci / FIRST / "mdev_supported_types" / KIND / "create").write_text("an-administrators")
    sysfs.obey(FIRST, KIND)
    world.host = HostSpec()
    if restarted:
        world.reconciler = world.new_reconciler(quiet_s=0.0)
    await world.tools.devices.look()
    assert sysfs.removed() == set(), "guests have them"
    second.change("spec", "powerState", value="Stopped")
    for _ in range(3):
        await second.reconcile()
    await world.tools.devices.look()
    assert sysfs.removed() == {made[1]}
    assert world.tools.devices.entries().offered == ()


async def test_a_mediated_device_that_the_kernel_keeps_stops_nobody(
    world: VmWorld, hypervisor: FakeHypervisor
) -> None:
    sysfs = FakeSysfs(world.layout.root)
    sysfs.add_function(FIRST, CARD, driver="nvidia")
    sysfs.add_type(FIRST, KIND, 1)
    world.host = HostSpec.model_validate({"devices": [{"class": "gpu", "match": CARD, "mdevType": KIND}]})
    vm = add(world, "a", "gpu0")
    await vm.reconcile()
    made = sysfs.obey(FIRST, KIND)
    (sysfs.mediated / made / "remove").unlink()
    (sysfs.mediated / made / "remove").mkdir()
    vm.change("spec", "powerState", value="Stopped")
    for _ in range(3):
        await vm.reconcile()
    await world.tools.devices.look()
    later = add(world, "b", "gpu0")
    await later.reconcile()
    assert given(hypervisor, later) == [{"uuid": made}]


async def test_the_host_tells_how_many_are_free_and_who_has_one(world: VmWorld, sysfs: FakeSysfs) -> None:
    vm = add(world, "a", "gpu0")
    await vm.reconcile()
    await world.tools.devices.look()
    told = [(use.device.address, use.free, use.vm_uid) for use in world.tools.devices.entries().uses()]
    assert told == [(FIRST, 0, vm.uid), (SECOND, 1, "")]


async def test_the_balloon_takes_nothing_of_a_guest_with_a_device(
    world: VmWorld, hypervisor: FakeHypervisor, sysfs: FakeSysfs
) -> None:
    vm = add(world, "a", "gpu0")
    vm.change("spec", "memory", value={"size": "128Mi", "minSize": "64Mi"})
    await vm.reconcile()
    hypervisor.calls.clear()
    nothing = MachineLoad(memory_bytes={"MemTotal": 1 << 30, "MemAvailable": 0})
    await Balloons(world.tools, lambda: nothing).step()
    assert hypervisor.calls == []


def test_that_too_few_are_free_is_said_before_what_is_wrong_with_others() -> None:
    broken = OfferedDevice("gpu", FIRST, message="The IOMMU is off: it has no group. Try: turn it on.")
    taken = OfferedDevice("gpu", SECOND, seats=(Seat(SECOND),))
    with pytest.raises(WaitingError, match="has no device of class gpu for it: too few are free"):
        DeviceEntries((broken, taken), {"a": {"gpu0": SECOND}}).choose("b", {"gpu0": "gpu"}, "h1")
    with pytest.raises(WaitingError, match="for it: The IOMMU is off: it has no group"):
        DeviceEntries((broken,)).choose("b", {"gpu0": "gpu"}, "h1")
