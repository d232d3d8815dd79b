"""What is wrong with a VM's data, or with the host's look at it, is said in Ready, with a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantix_api.conditions import reasons_otherwise
from quantix_api.errors import TransientError
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import VmHandle


def volume_of(vm: VmHandle) -> Path:
    return vm.root_place.data.parent


def damage_claim(vm: VmHandle) -> None:
    (volume_of(vm) / "claim").write_text("[" * 4096)


def replace_by_link(vm: VmHandle) -> Path:
    place = volume_of(vm)
    moved = place.parent.parent / "moved"
    place.rename(moved)
    place.symlink_to(moved)
    return moved


def empty_disk(vm: VmHandle) -> None:
    vm.root_place.data.write_bytes(b"")


def disk_by_link(vm: VmHandle) -> None:
    data = vm.root_place.data
    data.rename(data.with_name("moved"))
    data.symlink_to("moved")


@pytest.mark.parametrize("harm", [damage_claim, replace_by_link, empty_disk, disk_by_link])
async def test_a_vm_whose_data_is_damaged_does_not_start_and_says_why(
    vm: VmHandle, hypervisor: FakeHypervisor, harm: object
) -> None:
    assert callable(harm)
    harm(vm)
    again = await vm.reconcile()
    assert hypervisor.calls == []
    ready = vm.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "DataDamaged")
    # a path as long as a test's may lose its end to the way out
    assert str(volume_of(vm))[:80] in ready["message"]
    assert "Try: " in ready["message"]
    assert ready["reason"] in reasons_otherwise("VirtualMachine", "Ready")
    assert again is not None
    assert again <= 60


async def test_a_disk_that_is_gone_is_named_with_its_host(vm: VmHandle) -> None:
    vm.root_place.data.unlink()
    await vm.reconcile()
    ready = vm.condition("Ready")
    assert ready["reason"] == "DataMissing"
    assert f"{vm.root_place.data} on h1" in ready["message"]


async def test_what_is_put_right_starts_by_itself(vm: VmHandle) -> None:
    moved = replace_by_link(vm)
    await vm.reconcile()
    volume_of(vm).unlink()
    moved.rename(volume_of(vm))
    await vm.reconcile()
    assert vm.status["phase"] == "Running"


async def test_a_guest_that_runs_goes_on_and_can_be_stopped_and_deleted(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    damage_claim(running)
    await running.reconcile()
    assert hypervisor.calls == []
    assert running.condition("Ready")["status"] == "True"
    running.delete()
    await running.reconcile()
    assert hypervisor.found == {}
    assert running.status["runtime"]["domain"] == "Absent"
    assert (volume_of(running) / "claim").read_text() == "[" * 4096


async def test_a_volume_without_a_claim_is_not_started_and_the_way_out_is_named(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    claim = vm.root_place.data.with_name("claim")
    claim.unlink()
    await vm.reconcile()
    assert hypervisor.calls == []
    ready = vm.condition("Ready")
    assert ready["reason"] == "DataDamaged"
    assert f"{claim.parent} has lost its claim" in ready["message"]


async def test_a_claim_that_only_cannot_be_reached_is_not_left_behind(running: VmHandle) -> None:
    moved = replace_by_link(running)
    running.delete()
    with pytest.raises(TransientError):
        await running.reconcile()
    assert running.condition("Ready")["reason"] == "DataDamaged"
    assert running.status["runtime"]["domain"] == "Present"
    volume_of(running).unlink()
    moved.rename(volume_of(running))
    await running.reconcile()
    assert running.status["runtime"]["domain"] == "Absent"
    assert running.root_claim.holder is None


async def test_a_host_that_cannot_look_at_a_new_vm_says_so_after_a_moment(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.connected = False
    with pytest.raises(TransientError):
        await vm.reconcile()
    assert vm.world.api.writes == []
    vm.world.reconciler = vm.world.new_reconciler(quiet_s=0.0)
    with pytest.raises(TransientError):
        await vm.reconcile()
    ready = vm.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "LibvirtDown")
    assert vm.status["runtime"]["observedEpoch"] == 1
    assert "domain" not in vm.status["runtime"]
    hypervisor.connected = True
    await vm.reconcile()
    assert vm.condition("Ready")["reason"] == "Running"


async def test_a_host_that_loses_sight_of_a_running_guest_leaves_what_it_said(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.world.reconciler = running.world.new_reconciler(quiet_s=0.0)
    hypervisor.connected = False
    with pytest.raises(TransientError):
        await running.reconcile()
    assert running.world.api.writes == []


async def test_what_was_said_under_another_assignment_is_not_said_of_this_one(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.change("spec", "powerState", value="Stopped")
    await running.reconcile()
    running.change("spec", "powerState", value="Running")
    running.change("status", "assignment", value={"host": "h1", "epoch": 2})
    running.world.reconciler = running.world.new_reconciler(quiet_s=0.0)
    hypervisor.connected = False
    with pytest.raises(TransientError):
        await running.reconcile()
    assert running.status["runtime"]["observedEpoch"] == 2
    assert "domain" not in running.status["runtime"]
    assert running.status["runtime"]["lastExit"]["reason"] == "Requested"


async def test_a_record_that_cannot_be_read_is_said_too(vm: VmHandle) -> None:
    record = vm.world.layout.vm_data(vm.uid) / "record.json"
    record.mkdir(parents=True)
    vm.world.reconciler = vm.world.new_reconciler(quiet_s=0.0)
    with pytest.raises(TransientError):
        await vm.reconcile()
    ready = vm.condition("Ready")
    assert ready["reason"] == "InternalError"
    assert str(record) in ready["message"]
    assert "Try: look at the disk of host h1" in ready["message"]
