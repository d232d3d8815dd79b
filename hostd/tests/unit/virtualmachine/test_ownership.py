"""Only positive evidence ends a guest."""

from __future__ import annotations

import pytest

from quantix_api.errors import TransientError
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_hostd.claims import Claim, Holder
from quantix_hostd.facts.process import DomainProcesses, QemuProcess, processes_of
from quantix_hostd.virtualmachine.directories import LOG_KEPT_S
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import CLUSTER, HOST, VmHandle


async def test_a_deleted_vm_is_shut_down_and_reported_absent(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.delete()
    await running.reconcile()
    assert hypervisor.found == {}
    assert running.status["runtime"]["domain"] == "Absent"
    assert running.status["runtime"]["observedEpoch"] == 1


async def test_a_vm_deleted_before_its_first_start_is_absent_at_once(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    vm.delete()
    await vm.reconcile()
    assert hypervisor.calls == []
    assert vm.status["runtime"]["domain"] == "Absent"


async def test_a_vm_missing_in_the_api_runs_on(running: VmHandle, hypervisor: FakeHypervisor) -> None:
    running.world.stores[VIRTUAL_MACHINES].clear()
    await running.world.reconciler.reconcile(running.uid)
    assert hypervisor.calls == []
    assert len(await running.world.reconciler.guests_left()) == 1


async def test_a_vm_assigned_elsewhere_runs_on_while_the_claim_is_ours(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.change("status", "assignment", value={"host": "h2", "epoch": 2})
    await running.reconcile()
    assert hypervisor.calls == []
    assert running.world.api.writes == []


async def test_a_guest_whose_claim_names_another_is_ended(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    world = running.world
    claim = running.root_claim
    world.claims.compare_and_set(running.root_place, claim, Claim(1, Holder("h2", 2), running.uid, CLUSTER))
    running.change("status", "assignment", value={"host": "h2", "epoch": 2})
    await running.reconcile()
    assert hypervisor.calls == ["destroy", "undefine"]
    assert running.root_claim.held_by("h2", 2)


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


async def test_an_api_that_is_away_stops_nothing(running: VmHandle, hypervisor: FakeHypervisor) -> None:
    running.world.api.failure = TransientError("APIUnreachable", "The API refused the connection.")
    running.change("metadata", "labels", value={"a": "b"})
    await running.reconcile()
    assert hypervisor.calls == []


async def test_the_end_of_the_host_shuts_guests_down_as_host_shutdown(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    await running.world.reconciler.shut_down_guests()
    assert running.uid in running.world.woken
    await running.reconcile()
    assert running.status["runtime"]["lastExit"]["reason"] == "HostShutdown"
    assert await running.world.reconciler.guests_left() == ()


async def test_a_released_vm_that_left_is_forgotten_with_all_its_files(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.delete()
    await running.reconcile()
    running.world.stores[VIRTUAL_MACHINES].clear()
    await running.world.reconciler.reconcile(running.uid)
    layout = running.world.layout
    assert not layout.vm_data(running.uid).exists()
    assert not layout.vm_run(running.uid).exists()


async def test_a_vm_that_left_while_it_runs_is_remembered(running: VmHandle) -> None:
    running.world.stores[VIRTUAL_MACHINES].clear()
    await running.world.reconciler.reconcile(running.uid)
    assert running.world.records.load(running.uid).started


async def test_the_next_host_goes_on_from_the_last_report(vm: VmHandle) -> None:
    runtime = {
        "observedEpoch": 1,
        "handledRestartAt": "2026-01-01T00:00:00Z",
        "lastExit": {"reason": "Requested", "at": "2026-01-01T00:00:00Z"},
    }
    vm.change("status", "runtime", value=runtime)
    vm.change("status", "assignment", value={"host": HOST, "epoch": 3})
    vm.change("spec", "restart", value={"at": "2026-01-01T00:00:00Z", "mode": "Graceful"})
    await vm.reconcile()
    assert vm.status["runtime"]["handledRestartAt"] == "2026-01-01T00:00:00Z"
    assert vm.status["runtime"]["lastExit"]["reason"] == "Requested"


async def test_logs_of_guests_that_are_long_off_go(running: VmHandle) -> None:
    world = running.world
    old = world.layout.vm_log("old-vm")
    old.mkdir(parents=True)
    (old / "console.log").write_text("bye")
    world.skipped_s = LOG_KEPT_S - 60
    await world.reconciler.sweep_logs()
    assert old.exists()
    world.skipped_s = LOG_KEPT_S + 60
    await world.reconciler.sweep_logs()
    assert not old.exists()
    assert world.layout.vm_log(running.uid).exists()


async def test_a_release_that_was_forgotten_is_found_in_the_claim_and_reported(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.change("spec", "powerState", value="Stopped")
    await running.reconcile()
    hypervisor.calls.clear()
    running.world.records.forget(running.uid)
    running.change("status", "runtime", value={"observedEpoch": 1, "domain": "Present"})
    running.change("spec", "powerState", value="Running")
    await running.reconcile()
    assert hypervisor.calls == []
    assert running.status["runtime"]["domain"] == "Absent"


async def test_a_report_of_absence_stands_where_the_record_is_gone(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.change("spec", "powerState", value="Stopped")
    await running.reconcile()
    hypervisor.calls.clear()
    running.world.records.forget(running.uid)
    running.change("status", "resolved", "disks", value=[])
    running.change("spec", "disks", value=[])
    running.change("spec", "powerState", value="Running")
    await running.reconcile()
    assert hypervisor.calls == []
    assert running.status["runtime"]["domain"] == "Absent"


async def test_a_volume_whose_floor_is_higher_asks_for_a_higher_epoch(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    claim = vm.root_claim
    vm.world.claims.compare_and_set(vm.root_place, claim, Claim(7, None, "", CLUSTER))
    await vm.reconcile()
    assert hypervisor.calls == []
    assert vm.status["runtime"]["domain"] == "Absent"
    assert vm.status["runtime"]["claimEpoch"] == 7
    assert "lastExit" not in vm.status["runtime"]
    vm.change("status", "assignment", value={"host": HOST, "epoch": 9})
    await vm.reconcile()
    assert vm.status["phase"] == "Running"
    assert "claimEpoch" not in vm.status["runtime"]
    assert vm.root_claim.held_by(HOST, 9)


async def test_the_end_of_the_host_is_no_old_power_off_of_a_guest_that_still_waits(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    last = {"reason": "GuestShutdown", "at": "2026-01-01T00:00:00Z"}
    vm.change("status", "runtime", value={"observedEpoch": 1, "lastExit": last})
    vm.change("status", "assignment", value={"host": HOST, "epoch": 3})
    await vm.world.reconciler.shut_down_guests()
    await vm.reconcile()
    assert hypervisor.calls == []
    assert vm.status["runtime"]["lastExit"]["reason"] == "HostShutdown"


async def test_an_api_that_was_restored_learns_the_epoch_of_a_running_guest_from_its_claim(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    await move_to_epoch(running, 5)
    hypervisor.calls.clear()
    running.change("status", "runtime", value={})
    running.change("status", "assignment", value={"host": HOST, "epoch": 2})
    await running.reconcile()
    assert hypervisor.calls == []
    runtime = running.status["runtime"]
    assert (runtime["observedEpoch"], runtime["claimEpoch"], runtime["domain"]) == (2, 5, "Present")

    running.change("status", "assignment", value={"host": HOST, "epoch": 5})
    await running.reconcile()
    assert hypervisor.calls == []
    assert running.status["phase"] == "Running"
    assert "claimEpoch" not in running.status["runtime"]


async def test_an_api_that_was_restored_learns_the_epoch_of_a_guest_that_died_meanwhile(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    await move_to_epoch(running, 5)
    hypervisor.found.clear()
    running.world.records.forget(running.uid)
    running.change("status", "assignment", value={"host": HOST, "epoch": 2})
    with pytest.raises(TransientError):
        await running.reconcile()
    assert running.status["runtime"]["claimEpoch"] == 5

    running.change("status", "assignment", value={"host": HOST, "epoch": 5})
    await running.reconcile()
    assert running.status["phase"] == "Running"
    assert running.root_claim.held_by(HOST, 5)


async def move_to_epoch(vm: VmHandle, epoch: int) -> None:
    """Stop it and start it again under a later assignment."""
    vm.change("spec", "powerState", value="Stopped")
    await vm.reconcile()
    vm.change("status", "assignment", value={"host": HOST, "epoch": epoch})
    vm.change("spec", "powerState", value="Running")
    await vm.reconcile()
    assert vm.root_claim.held_by(HOST, epoch)


async def test_a_volume_of_another_cluster_says_nothing_of_our_epochs(
    vm: VmHandle, hypervisor: FakeHypervisor
) -> None:
    claim = vm.root_claim
    vm.world.claims.compare_and_set(vm.root_place, claim, Claim(7, None, "", "another-cluster"))
    with pytest.raises(TransientError, match="another-cluster"):
        await vm.reconcile()
    assert hypervisor.calls == []
    assert "claimEpoch" not in vm.status["runtime"]


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
