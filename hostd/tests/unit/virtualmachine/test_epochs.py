"""Epochs are learnt from claims, reports and records, also by an API that was restored."""

from __future__ import annotations

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.claims import Claim
from quantix_hostd.facts.domain import DomainSnapshot
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.plugged_disks import opened, set_disks
from quantix_lab.vm_world import CLUSTER, HOST, VmHandle


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


@pytest.mark.parametrize("disks", [("data",), ()], ids=["on-another-disk", "without-a-disk"])
async def test_an_api_that_was_restored_ends_no_guest_for_a_disk_that_it_does_not_have(
    vm: VmHandle, hypervisor: FakeHypervisor, disks: tuple[str, ...]
) -> None:
    vm.world.add_volume("data")
    await vm.reconcile()
    vm.change("spec", "powerState", value="Stopped")
    await vm.reconcile()
    set_disks(vm, *disks)
    vm.change("status", "assignment", value={"host": HOST, "epoch": 2})
    vm.change("spec", "powerState", value="Running")
    await vm.reconcile()
    assert opened(vm) == list(disks)
    hypervisor.calls.clear()

    set_disks(vm, "root")
    vm.change("status", "runtime", value={})
    vm.change("status", "assignment", value={"host": HOST, "epoch": 1})
    await vm.reconcile()
    assert hypervisor.calls == []
    assert (vm.root_claim.holder, vm.status["runtime"]["claimEpoch"]) == (None, 2)


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


async def test_what_was_found_under_one_epoch_is_never_said_of_the_next(
    running: VmHandle, hypervisor: FakeHypervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.change("spec", "powerState", value="Stopped")
    await running.reconcile()
    running.change("spec", "powerState", value="Running")
    running.world.api.writes.clear()
    domain = hypervisor.domain

    async def overtaken(name: str) -> DomainSnapshot | None:
        # while this host looks, the scheduler hears of the end and assigns the VM anew
        running.change("status", "assignment", value={"host": HOST, "epoch": 2})
        return await domain(name)

    monkeypatch.setattr(hypervisor, "domain", overtaken)
    again_s = await running.reconcile()
    assert running.world.api.writes == []
    assert again_s is not None
    assert again_s <= 1.0
    monkeypatch.undo()
    await running.reconcile()
    assert running.status["phase"] == "Running"
    assert running.status["runtime"]["observedEpoch"] == 2
