"""A guest ends while its storage is away: nothing is called released that was not, and nothing stays held."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_api.resources import VOLUMES
from quantix_hostd.claims import Claim, VolumePlace
from quantix_hostd.facts.process import QemuProcess
from quantix_hostd.virtualmachine.departed import DepartedGuests
from quantix_hostd.virtualmachine.objects import StoredObjects
from quantix_hostd.virtualmachine.record import Record
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import CLUSTER, HOST, VmHandle, VmWorld


@contextmanager
def away(vm: VmHandle) -> Iterator[None]:
    """The volume's directory, as if its file system were not mounted."""
    directory = vm.root_place.data.parent
    aside = directory.rename(directory.with_name("aside"))
    yield
    aside.rename(directory)


async def stop_in_vain(vm: VmHandle) -> None:
    """A look at a stop that cannot be carried through."""
    vm.change("spec", "powerState", value="Stopped")
    with pytest.raises(TransientError):
        await vm.reconcile()
    vm.world.pull()


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
            assert running.status["phase"] == "Stopping"
            ready = running.condition("Ready")
            assert ready["reason"] == "DataMissing"
            assert "delete web-1" in ready["message"]
            assert running.status["runtime"].get("domain") != "Absent"
    await running.look_after(600)
    assert running.root_claim.holder is None
    assert running.status["phase"] == "Stopped"
    assert running.condition("Ready")["status"] == "True"


async def test_what_only_the_domain_names_is_kept_before_the_domain_goes(running: VmHandle) -> None:
    running.world.records.forget(running.uid)
    with away(running):
        await stop_in_vain(running)
        await stop_in_vain(running)
    await running.look_after(600)
    assert running.root_claim.holder is None
    assert running.status["runtime"]["domain"] == "Absent"


async def test_a_new_epoch_forgets_nothing_that_is_still_held(running: VmHandle) -> None:
    with away(running):
        await stop_in_vain(running)
        running.change("status", "assignment", value={"host": HOST, "epoch": 3})
        await stop_in_vain(running)
        assert running.status["runtime"].get("domain") != "Absent"
    await running.look_after(600)
    assert (running.root_claim.holder, running.root_claim.floor) == (None, 1)


async def test_a_release_takes_along_what_an_older_epoch_left_held(running: VmHandle) -> None:
    claim = running.root_place.data.with_name("claim")
    held = claim.read_bytes()
    running.change("spec", "powerState", value="Stopped")
    await running.reconcile()
    claim.write_bytes(held)
    running.change("status", "assignment", value={"host": HOST, "epoch": 3})
    await running.reconcile()
    assert running.status["runtime"] == {**running.status["runtime"], "observedEpoch": 3, "domain": "Absent"}
    assert running.root_claim.holder is None


async def test_the_claims_of_other_disks_go_before_the_one_that_decides(world: VmWorld) -> None:
    vm = world.add_vm("db-1", disks={"root": world.add_volume("db-1-root"), "data": world.add_volume("data")})
    await vm.reconcile()
    data = VolumePlace(world.pool, world.stores[VOLUMES]["default/data"]["status"]["handle"])
    aside = data.data.parent.rename(world.pool / "volumes/aside")
    await stop_in_vain(vm)
    assert vm.root_claim.held_by(HOST, 1)
    aside.rename(data.data.parent)
    await vm.look_after(600)
    freed = Claim(1, None, vm.uid, CLUSTER)
    assert [world.claims.read(place) for place in (vm.root_place, data)] == [freed, freed]
    await world.consoles.close()


async def test_a_host_goes_down_though_a_pool_is_away_and_frees_what_is_left_when_it_is_back(
    running: VmHandle,
) -> None:
    world = running.world
    with away(running):
        await world.reconciler.shut_down_guests()
        assert await world.reconciler.guests_left() == (running.uid,)
        for _ in range(2):
            with pytest.raises(TransientError):
                await running.reconcile()
            world.pull()
        assert await world.reconciler.guests_left() == ()
        assert running.status["runtime"].get("domain") != "Absent"
    world.reconciler = world.new_reconciler()
    await running.reconcile()
    assert running.status["runtime"]["domain"] == "Absent"
    assert running.status["runtime"]["lastExit"]["reason"] == "HostShutdown"
    assert running.root_claim.holder is None


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


async def test_a_guest_of_which_libvirt_cannot_speak_is_not_gone(
    running: VmHandle, hypervisor: FakeHypervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with away(running):
        running.delete()
        await running.reconcile()
    gone = departed(running, hypervisor)
    assert await gone.is_gone(running.uid, 1)
    owed = as_error(TransientError, "QEMUHangs", said="no answer")
    monkeypatch.setattr(hypervisor, "domain", AsyncMock(side_effect=owed))
    assert not await gone.is_gone(running.uid, 1)


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
    assert isinstance(place.pool, Path)
