"""What a host does not do of spec holds up nothing else of a guest that runs, and keeps one from starting."""

from __future__ import annotations

import pytest

from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import VmHandle, VmWorld, with_facts


@pytest.fixture
async def roomy(world: VmWorld, hypervisor: FakeHypervisor) -> VmHandle:
    """A VM of 1 to 4 cores that runs."""
    with_facts(world, cpu_controller=True)
    volume = world.add_volume("roomy-root")
    vm = world.add_vm("roomy", disks={"root": volume}, cpu={"cores": 1, "maxCores": 4})
    vm.change("status", "resolved", "maxCores", value=4)
    await vm.reconcile()
    hypervisor.calls.clear()
    return vm


async def settled(vm: VmHandle, hypervisor: FakeHypervisor) -> list[str]:
    """What one look did, after which nothing is left to do."""
    hypervisor.calls.clear()
    vm.world.reconciler = vm.world.new_reconciler(quiet_s=0.0)
    await vm.reconcile()
    calls = list(hypervisor.calls)
    await vm.reconcile()
    assert hypervisor.calls == calls
    return calls


def limit_disk(vm: VmHandle) -> None:
    disk = vm.world.api.objects[vm.uid]["spec"]["disks"][0]
    vm.change("spec", "disks", value=[{**disk, "qos": {"iops": 100}}])


def pending(vm: VmHandle) -> list[str]:
    return [change["path"] for change in vm.status["runtime"].get("pendingChanges", [])]


async def fails_at_a_restart(vm: VmHandle) -> None:
    vm.ask_restart()
    await vm.reconcile()
    await vm.look_after(6)
    assert (vm.status["phase"], vm.condition("Ready")["reason"]) == ("Failed", "ConfigRefused")


async def test_an_unknown_time_zone_holds_up_no_other_change_of_a_guest_that_runs(
    roomy: VmHandle, hypervisor: FakeHypervisor
) -> None:
    roomy.change("spec", "clock", value={"timezone": "Europe/Viena"})
    roomy.change("spec", "cpu", value={"cores": 1, "maxCores": 4, "weight": 250})
    assert await settled(roomy, hypervisor) == ["cpu 250 -1"]
    assert pending(roomy) == ["spec.clock.timezone"]
    assert (roomy.status["phase"], roomy.condition("Ready")["reason"]) == ("Running", "ConfigRefused")
    # for which QEMU would take UTC
    await fails_at_a_restart(roomy)


async def test_without_control_groups_a_limit_is_refused_and_the_guest_runs_on(running: VmHandle) -> None:
    running.change("spec", "cpu", value={"cores": 1, "limit": "500m"})
    running.world.reconciler = running.world.new_reconciler(quiet_s=0.0)
    await running.reconcile()
    ready = running.condition("Ready")
    assert (running.status["phase"], ready["reason"]) == ("Running", "ConfigRefused")
    assert "spec.cpu.limit" in ready["message"]
    assert running.condition("Stalled")["status"] == "True"


async def test_a_limit_that_cannot_be_kept_holds_up_no_other_change_of_a_guest_that_runs(
    roomy: VmHandle, hypervisor: FakeHypervisor
) -> None:
    with_facts(roomy.world, cpu_controller=False)
    roomy.change("spec", "cpu", value={"cores": 1, "maxCores": 4, "limit": "500m"})
    limit_disk(roomy)
    assert await settled(roomy, hypervisor) == ["limits vda 100 0"]
    assert (roomy.status["phase"], roomy.condition("Ready")["reason"]) == ("Running", "ConfigRefused")
    await fails_at_a_restart(roomy)


async def test_huge_pages_that_do_not_divide_the_memory_hold_up_no_other_change_of_a_guest_that_runs(
    roomy: VmHandle, hypervisor: FakeHypervisor
) -> None:
    roomy.change("status", "resolved", "memory", value="129Mi")
    roomy.change("spec", "memory", value={"size": "129Mi", "hugepages": "2Mi"})
    roomy.grant()
    limit_disk(roomy)
    assert await settled(roomy, hypervisor) == ["limits vda 100 0"]
    assert "spec.memory.hugepages" in pending(roomy)
    ready = roomy.condition("Ready")
    assert (roomy.status["phase"], ready["reason"]) == ("Running", "ConfigRefused")
    assert "no whole number of huge pages" in ready["message"]
    await fails_at_a_restart(roomy)


async def test_firmware_that_the_host_lacks_holds_up_nothing_else(
    roomy: VmHandle, hypervisor: FakeHypervisor
) -> None:
    roomy.change("spec", "firmware", value={"type": "UEFI"})
    roomy.change("status", "resolved", "firmware", value="UEFI")
    limit_disk(roomy)
    assert await settled(roomy, hypervisor) == ["limits vda 100 0"]
    assert (roomy.status["phase"], roomy.condition("Ready")["reason"]) == ("Running", "ConfigRefused")
    await fails_at_a_restart(roomy)
