"""A QEMU that libvirt does not know is ended only if it is ours; it keeps ours from starting either way."""

from __future__ import annotations

import pytest

from quantix_hostd.facts.process import DomainProcesses, QemuProcess, processes_of
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import HOST, VmHandle


async def test_a_qemu_that_libvirt_denies_is_ended_when_the_vm_shall_end(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.found.clear()
    hypervisor.guest_obeys = False
    hypervisor.orphans.append(QemuProcess(4711, running.uid, running.domain, "S"))
    await running.reconcile()
    assert hypervisor.calls == []
    assert running.condition("Ready")["reason"] == "OrphanProcess"
    running.delete()
    await running.reconcile()
    assert set(hypervisor.calls) == {"SIGTERM"}
    assert running.root_claim.holder is not None
    await running.look_after(11)
    assert hypervisor.calls[-1] == "SIGKILL"
    assert running.status["runtime"]["domain"] == "Absent"
    assert running.root_claim.holder is None


@pytest.mark.parametrize("name", ["imported", "qx-0b6c1f0e-another"])
async def test_a_guest_of_another_name_with_our_uuid_is_never_ended_and_holds_no_release(
    running: VmHandle, hypervisor: FakeHypervisor, name: str
) -> None:
    foreign = QemuProcess(4712, running.uid, name, "S")
    hypervisor.orphans.append(foreign)
    running.change("spec", "powerState", value="Stopped")
    await running.reconcile()
    assert not {"SIGTERM", "SIGKILL"} & set(hypervisor.calls)
    assert running.status["phase"] == "Stopped"
    assert running.status["runtime"]["domain"] == "Absent"
    assert running.root_claim.holder is None
    running.delete()
    await running.look_after(60)
    assert hypervisor.orphans == [foreign]
    assert running.status["runtime"]["domain"] == "Absent"


async def test_a_guest_of_another_name_with_our_uuid_keeps_ours_from_starting_only(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.orphans.append(QemuProcess(4712, vm.uid, "tenant-b-secret", "S"))
    again_s = await vm.reconcile()
    assert hypervisor.calls == []
    ready = vm.condition("Ready")
    assert ready["reason"] == "IdentityConflict"
    assert "pid 4712" in ready["message"]
    assert "tenant-b-secret" not in ready["message"]
    assert not vm.world.layout.vm_run(vm.uid).exists()
    assert again_s is not None
    assert again_s <= 5.0
    hypervisor.orphans.clear()
    await vm.reconcile()
    assert vm.status["phase"] == "Running"


async def test_a_guest_with_our_uuid_that_appears_beside_a_running_one_stops_nothing(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.orphans.append(QemuProcess(4712, running.uid, "imported", "S"))
    await running.reconcile()
    assert hypervisor.calls == []
    assert running.status["phase"] == "Running"


async def test_a_qemu_with_our_uuid_and_no_name_is_ours_and_ends_with_the_vm(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.orphans.append(QemuProcess(4711, vm.uid, "", "S"))
    await vm.reconcile()
    assert vm.condition("Ready")["reason"] == "OrphanProcess"
    vm.delete()
    await vm.reconcile()
    assert "SIGTERM" in hypervisor.calls
    assert hypervisor.orphans == []
    assert vm.status["runtime"]["domain"] == "Absent"


class LateProcesses:
    """A process table in which one appears after the first look."""

    def __init__(self, *late: QemuProcess) -> None:
        self._late = late
        self._looks = 0

    def of_domain(self, uuid: str, name: str) -> DomainProcesses:
        self._looks += 1
        return processes_of(uuid, name, self._late if self._looks > 1 else ())

    def end(self, process: QemuProcess, *, force: bool) -> None:
        raise AssertionError(f"{process} is ended")

    def raise_oom_score(self, process: QemuProcess, score: int) -> None:
        raise AssertionError(f"{process} is given up for others")


def let_appear(vm: VmHandle, name: str) -> None:
    vm.world.processes = LateProcesses(QemuProcess(4712, vm.uid, name, "S"))
    vm.world.reconciler = vm.world.new_reconciler(quiet_s=0.0)


async def test_a_guest_with_our_uuid_that_appears_just_before_the_start_forbids_it(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    let_appear(vm, "imported")
    await vm.reconcile()
    assert hypervisor.calls == []
    assert vm.condition("Ready")["reason"] == "IdentityConflict"
    assert vm.root_claim.holder is None


async def test_a_qemu_of_ours_that_appears_just_before_the_start_forbids_it(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    let_appear(vm, vm.domain)
    await vm.reconcile()
    assert hypervisor.calls == []
    assert vm.condition("Ready")["reason"] == "OrphanProcess"
    assert vm.root_claim.holder is None


async def test_only_a_qemu_of_ours_that_appears_just_before_the_release_holds_it(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.power_off(running.domain)
    running.change("spec", "powerState", value="Stopped")
    let_appear(running, running.domain)
    await running.world.reconciler.reconcile(running.uid)
    assert running.root_claim.held_by(HOST, 1)
    let_appear(running, "imported")
    await running.reconcile()
    assert running.root_claim.holder is None
    assert running.status["runtime"]["domain"] == "Absent"
