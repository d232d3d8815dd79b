"""Only positive evidence ends a guest."""

from __future__ import annotations

from quantix_api.errors import TransientError
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_hostd.clients.claims import Claim, Holder
from quantix_hostd.clients.process import QemuProcess
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import CLUSTER, VmHandle


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
