"""A disk that the guest does not let go stays open until QEMU goes; then its claim is free for the next."""

from __future__ import annotations

import pytest

from quantix_api.messages import render
from quantix_api.resources import VOLUMES
from quantix_hostd.claims import Claim, Holder, VolumePlace
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import HOST, VmHandle, VmWorld


@pytest.fixture
async def vm(world: VmWorld, hypervisor: FakeHypervisor) -> VmHandle:
    """A VM that runs with the disks `root` and `data`, of which its guest lets go of none."""
    hypervisor.guest_lets_go = False
    disks = {name: world.add_volume(name) for name in ("root", "data")}
    handle = world.add_vm("web-1", disks=disks)
    await handle.reconcile()
    assert handle.status["phase"] == "Running"
    return handle


def uid_of(vm: VmHandle, volume: str) -> str:
    uid: str = vm.world.stores[VOLUMES][f"default/{volume}"]["metadata"]["uid"]
    return uid


def data_claim(vm: VmHandle) -> Claim:
    claim = vm.world.claims.read(VolumePlace(vm.world.pool, uid_of(vm, "data")))
    assert claim is not None
    return claim


def opened(vm: VmHandle) -> dict[str, str]:
    return {disk["name"]: disk["volumeUID"] for disk in vm.status["runtime"].get("disks", [])}


def take_out(vm: VmHandle) -> None:
    """`data` leaves spec, and what the operator made of it."""
    for path in (("spec", "disks"), ("status", "resolved", "disks")):
        disks = vm.world.api.objects[vm.uid][path[0]]
        for name in path[1:]:
            disks = disks[name]
        vm.change(*path, value=[disk for disk in disks if disk["name"] == "root"])


async def restart(vm: VmHandle) -> None:
    vm.ask_restart()
    for _ in range(3):
        await vm.reconcile()
    assert vm.status["phase"] == "Running"


async def test_it_is_told_as_open_while_qemu_has_it_so_that_nobody_removes_it(vm: VmHandle) -> None:
    both = {name: uid_of(vm, name) for name in ("root", "data")}
    assert opened(vm) == both
    take_out(vm)
    await vm.reconcile()
    assert opened(vm) == both
    assert data_claim(vm).holder == Holder(HOST, 1)


async def test_a_restart_without_it_gives_it_back(vm: VmHandle) -> None:
    take_out(vm)
    await restart(vm)
    assert opened(vm) == {"root": uid_of(vm, "root")}
    assert (data_claim(vm).holder, data_claim(vm).floor) == (None, 1)
    assert vm.root_claim.holder == Holder(HOST, 1)
    assert vm.world.records.load(vm.uid).places == (vm.root_place,)


@pytest.mark.parametrize("is_link", [False, True], ids=["missing", "not ours any more"])
async def test_a_start_does_not_wait_for_the_data_of_a_disk_that_left(
    vm: VmHandle, hypervisor: FakeHypervisor, is_link: bool
) -> None:
    take_out(vm)
    directory = vm.world.pool / "volumes" / uid_of(vm, "data")
    aside = directory.rename(directory.with_name("aside"))
    if is_link:
        directory.symlink_to(aside)
    hypervisor.calls.clear()
    await restart(vm)
    assert hypervisor.calls[-1] == "resume"
    if is_link:
        directory.unlink()
    aside.rename(directory)
    assert data_claim(vm).holder == Holder(HOST, 1), "until the VM has ended, for which its Volume waits"


async def test_put_back_it_runs_under_the_next_epoch(vm: VmHandle) -> None:
    spec, resolved = (vm.world.api.objects[vm.uid][part] for part in ("spec", "status"))
    disks, found = list(spec["disks"]), list(resolved["resolved"]["disks"])
    take_out(vm)
    await restart(vm)
    vm.change("spec", "disks", value=disks)
    vm.change("status", "resolved", "disks", value=found)
    vm.world.skipped_s += 5
    vm.ask_restart()
    for _ in range(4):
        await vm.reconcile()
    assert vm.status["runtime"]["domain"] == "Absent"
    vm.change("status", "assignment", value={"host": HOST, "epoch": 2})
    await vm.reconcile()
    assert vm.status["phase"] == "Running"
    assert data_claim(vm).holder == Holder(HOST, 2)


@pytest.mark.parametrize(("reason", "ready"), [("VolumeInUse", "False"), ("Creating", "True")])
async def test_a_guest_whose_disk_is_being_deleted_is_not_called_ready(
    vm: VmHandle, hypervisor: FakeHypervisor, reason: str, ready: str
) -> None:
    said = render("VolumeInUse", lost="data").text if reason == "VolumeInUse" else "It is made."
    lost = {"type": "VolumesReady", "status": "False", "reason": reason, "message": said}
    vm.change("status", "conditions", value=[*vm.status["conditions"], lost])
    hypervisor.calls.clear()
    await vm.reconcile()
    told = vm.condition("Ready")
    assert (vm.status["phase"], told["status"], hypervisor.calls) == ("Running", ready, [])
    assert (told["reason"], told["message"]) == (reason, said) or ready == "True"
