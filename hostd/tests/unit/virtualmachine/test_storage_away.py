"""A guest ends while its storage is away: nothing is called released that was not, and nothing stays held."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.facts.process import QemuProcess
from quantix_hostd.virtualmachine.departed import DepartedGuests
from quantix_hostd.virtualmachine.objects import StoredObjects
from quantix_hostd.virtualmachine.record import Record
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import HOST, VmHandle


@contextmanager
def away(vm: VmHandle) -> Iterator[None]:
    """The volume's directory, as if its file system were not mounted."""
    directory = vm.root_place.data.parent
    aside = directory.rename(directory.with_name("aside"))
    yield
    aside.rename(directory)


def departed(vm: VmHandle, hypervisor: FakeHypervisor) -> DepartedGuests:
    objects = StoredObjects(HOST, vm.world.stores, lambda: vm.world.synced)
    return DepartedGuests(objects, vm.world.records, hypervisor, hypervisor)


async def test_a_stop_waits_until_the_claim_can_be_freed(running: VmHandle) -> None:
    with away(running):
        running.change("spec", "powerState", value="Stopped")
        for _ in range(3):
            with pytest.raises(TransientError):
                await running.reconcile()
            running.world.pull()
            assert running.condition("Ready")["reason"] == "DataMissing"
            assert running.status["runtime"].get("domain") != "Absent"
    await running.look_after(600)
    assert running.root_claim.holder is None
    assert running.status["phase"] == "Stopped"
    assert running.condition("Ready")["status"] == "True"


async def test_a_deletion_goes_on_without_data_and_the_claim_is_regained_should_it_come_back(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    with away(running):
        running.delete()
        await running.reconcile()
        assert running.status["runtime"]["domain"] == "Absent"
    assert running.root_claim.held_by(HOST, 1)
    assert await departed(running, hypervisor).is_gone(running.uid, 1)


async def test_a_start_regains_what_an_older_epoch_of_the_vm_left_held_here(running: VmHandle) -> None:
    claim = running.root_place.data.with_name("claim")
    held = claim.read_bytes()
    running.change("spec", "powerState", value="Stopped")
    await running.reconcile()
    claim.write_bytes(held)
    running.change("spec", "powerState", value="Running")
    running.change("status", "assignment", value={"host": HOST, "epoch": 3})
    await running.reconcile()
    assert running.root_claim.held_by(HOST, 3)
    assert running.root_claim.floor == 1


@pytest.mark.parametrize(
    "what", ["runs", "is denied by libvirt", "is about to start", "lost its record", "is not known yet"]
)
async def test_a_guest_that_may_be_there_is_never_taken_for_gone(
    running: VmHandle, hypervisor: FakeHypervisor, what: str
) -> None:
    if what == "is denied by libvirt":
        hypervisor.found.clear()
        hypervisor.orphans.append(QemuProcess(4711, running.uid, running.domain, "S"))
        running.world.records.forget(running.uid)
    if what == "is about to start":
        running.change("spec", "powerState", value="Stopped")
        await running.reconcile()
        running.world.records.save(running.uid, Record(epoch=3, places=(running.root_place,)))
    if what in ("lost its record", "is not known yet"):
        # its QEMU crashed, and under the same epoch it starts again
        hypervisor.found.clear()
        running.world.records.forget(running.uid)
        running.world.synced = what == "lost its record"
    assert not await departed(running, hypervisor).is_gone(running.uid, 1)


async def test_what_a_vm_held_that_vanished_while_it_was_released_is_given_back(running: VmHandle) -> None:
    with away(running):
        running.change("spec", "powerState", value="Stopped")
        with pytest.raises(TransientError):
            await running.reconcile()
    claim, place = running.root_claim, running.root_place
    assert claim.held_by(HOST, 1)
    running.world.remove_by_force(running)
    await running.reconcile()
    freed = running.world.claims.read(place)
    assert freed is not None
    assert freed.holder is None


def test_a_record_keeps_the_places_of_what_it_holds(running: VmHandle) -> None:
    (place,) = running.world.records.load(running.uid).places
    assert place == running.root_place
    assert isinstance(place.pool_path, Path)
