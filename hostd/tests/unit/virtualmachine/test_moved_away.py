"""What is left here of a VM that the API assigns to another host: it ends only by the claim, and in order."""

from __future__ import annotations

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.claims import Claim, Holder
from quantix_hostd.facts.process import QemuProcess
from quantix_hostd.virtualmachine.record import Record
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import CLUSTER, VmHandle


async def look(vm: VmHandle) -> None:
    await vm.world.reconciler.reconcile(vm.uid)


def denied(vm: VmHandle, hypervisor: FakeHypervisor) -> QemuProcess:
    """The VM's QEMU, of which libvirt knows nothing any more."""
    process = QemuProcess(4711, vm.uid, vm.domain, "S")
    hypervisor.found.clear()
    hypervisor.orphans.append(process)
    return process


def taken_by_another(vm: VmHandle) -> Claim:
    """The storage says that another host has the VM now."""
    theirs = Claim(1, Holder("h2", 2), vm.uid, CLUSTER)
    vm.world.claims.compare_and_set(vm.root_place, vm.root_claim, theirs)
    return theirs


async def test_it_runs_on_while_the_claim_is_ours(running: VmHandle, hypervisor: FakeHypervisor) -> None:
    running.world.move_away(running)
    await look(running)
    assert hypervisor.calls == []
    assert running.world.api.writes == []


async def test_so_does_a_qemu_that_libvirt_denies(running: VmHandle, hypervisor: FakeHypervisor) -> None:
    process = denied(running, hypervisor)
    running.world.move_away(running)
    await look(running)
    assert hypervisor.calls == []
    assert hypervisor.orphans == [process]
    assert running.root_claim.holder == Holder("h1", 1)


async def test_a_guest_whose_claim_names_another_is_ended(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    theirs = taken_by_another(running)
    running.world.move_away(running)
    await look(running)
    assert hypervisor.calls == ["destroy", "undefine"]
    assert running.root_claim == theirs
    assert running.world.records.load(running.uid) == Record()


async def test_so_is_a_qemu_that_libvirt_denies_at_once_and_by_force(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    theirs = taken_by_another(running)
    denied(running, hypervisor)
    running.world.move_away(running)
    await look(running)
    assert hypervisor.calls == ["SIGKILL"]
    assert running.root_claim == theirs


async def test_what_a_host_that_rebooted_still_holds_is_given_back(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.found.clear()
    running.world.move_away(running)
    await look(running)
    assert hypervisor.calls == []
    assert (running.root_claim.holder, running.root_claim.floor) == (None, 1)
    assert running.world.records.load(running.uid) == Record()


async def test_what_lies_in_a_pool_that_is_away_is_given_back_later(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    await hypervisor.destroy(running.domain, graceful=False)
    running.world.move_away(running)
    directory = running.root_place.data.parent
    aside = directory.rename(directory.with_name("aside"))
    with pytest.raises(TransientError):
        await look(running)
    assert hypervisor.found == {}
    assert running.world.records.load(running.uid).places == (running.root_place,)
    aside.rename(directory)
    await look(running)
    assert running.root_claim.holder is None
    assert running.world.records.load(running.uid) == Record()
