"""A guest whose VM was removed from the API by force: kept, told, and ended only by order."""

from __future__ import annotations

import pytest

from quantix_api.errors import PermanentError
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_hostd.claims import Claim, Holder, VolumePlace
from quantix_hostd.facts.domain import (
    PAUSED_POST_COPY,
    PAUSED_POST_COPY_FAILED,
    RUNNING_POST_COPY_FAILED,
    DomainState,
)
from quantix_hostd.facts.process import QemuProcess
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import CLUSTER, VmHandle


@pytest.fixture
def place(running: VmHandle) -> VolumePlace:
    """Where its disk lies."""
    return running.root_place


@pytest.fixture
def orphan(running: VmHandle, place: VolumePlace) -> VmHandle:
    running.world.remove_by_force(running)
    return running


async def look(vm: VmHandle, *, after_s: float = 0.0) -> None:
    vm.world.skipped_s += after_s
    await vm.world.reconciler.reconcile(vm.uid)


async def test_it_is_told_with_all_that_it_holds(orphan: VmHandle) -> None:
    (found,) = await orphan.world.reconciler.orphans()
    assert (found.uid, found.domain, found.vm) == (orphan.uid, orphan.domain, "default/web-1")
    assert found.running
    assert found.pids != ()
    assert len(found.volumes) == 1
    assert not found.ending


async def test_a_vm_that_only_left_the_watch_of_this_host_is_none(running: VmHandle) -> None:
    world = running.world
    world.stores[VIRTUAL_MACHINES].clear()
    assert await world.reconciler.orphans() == ()
    with pytest.raises(PermanentError, match="without a VM in the API") as refused:
        await world.reconciler.end_orphan(running.uid)
    assert refused.value.reason == "NoOrphan"


async def test_a_vm_made_anew_under_the_same_name_does_not_hide_it(orphan: VmHandle) -> None:
    orphan.world.add_vm("web-1")
    assert [found.uid for found in await orphan.world.reconciler.orphans()] == [orphan.uid]


async def test_a_host_that_has_not_read_the_api_knows_of_none(orphan: VmHandle) -> None:
    orphan.world.synced = False
    assert await orphan.world.reconciler.orphans() == ()
    with pytest.raises(PermanentError):
        await orphan.world.reconciler.end_orphan(orphan.uid)


async def test_by_order_it_is_shut_down_and_everything_is_given_back(
    orphan: VmHandle, hypervisor: FakeHypervisor, place: VolumePlace
) -> None:
    world = orphan.world
    world.woken.clear()
    await world.reconciler.end_orphan(orphan.uid)
    assert world.woken == [orphan.uid]
    await look(orphan)
    assert hypervisor.calls == ["shutdown", "undefine"]
    after = world.claims.read(place)
    assert after is not None
    assert (after.holder, after.floor) == (None, 1)
    assert not world.layout.vm_data(orphan.uid).exists()
    assert await world.reconciler.orphans() == ()
    assert await world.reconciler.guests_left() == ()


async def test_a_guest_that_does_not_obey_is_ended_by_force_after_its_time(
    orphan: VmHandle, hypervisor: FakeHypervisor, place: VolumePlace
) -> None:
    hypervisor.guest_obeys = False
    await orphan.world.reconciler.end_orphan(orphan.uid)
    await look(orphan, after_s=1)
    await look(orphan, after_s=30)
    assert set(hypervisor.calls) == {"shutdown"}
    assert (found := orphan.world.claims.read(place)) is not None
    assert found.holder is not None, "it still runs"
    await look(orphan, after_s=30)
    assert hypervisor.calls[-2:] == ["destroy", "undefine"]
    assert (found := orphan.world.claims.read(place)) is not None
    assert found.holder is None


async def test_a_claim_goes_only_after_the_process_also_when_hostd_dies_meanwhile(
    orphan: VmHandle, hypervisor: FakeHypervisor, place: VolumePlace
) -> None:
    world = orphan.world
    hypervisor.guest_obeys = False
    hypervisor.orphans.append(QemuProcess(4711, orphan.uid, orphan.domain, "S"))
    await world.reconciler.end_orphan(orphan.uid)
    await hypervisor.destroy(orphan.domain, graceful=False)
    await hypervisor.undefine(orphan.domain)
    world.reconciler = world.new_reconciler()
    await look(orphan)
    assert (held := world.claims.read(place)) is not None
    assert held.holder is not None, "its process lives"
    assert await world.reconciler.guests_left() == (orphan.uid,)
    assert [found.ending for found in await world.reconciler.orphans()] == [True]
    hypervisor.orphans.clear()
    await look(orphan)
    assert (freed := world.claims.read(place)) is not None
    assert freed.holder is None
    assert await world.reconciler.guests_left() == ()


async def test_one_that_libvirt_denies_is_found_by_its_record_and_ended_by_its_process(
    orphan: VmHandle, hypervisor: FakeHypervisor
) -> None:
    hypervisor.found.clear()
    hypervisor.orphans.append(QemuProcess(4711, orphan.uid, orphan.domain, "S"))
    (found,) = await orphan.world.reconciler.orphans()
    assert (found.vm, found.pids) == ("", (4711,))
    await orphan.world.reconciler.end_orphan(orphan.uid)
    await look(orphan)
    assert hypervisor.calls == ["SIGTERM"]
    assert not orphan.world.layout.vm_data(orphan.uid).exists()


async def test_the_qemu_of_another_installation_is_neither_told_nor_ended(
    orphan: VmHandle, hypervisor: FakeHypervisor
) -> None:
    foreign = "5c0ffee0-0000-4000-8000-000000000001"
    hypervisor.orphans.append(QemuProcess(4712, foreign, f"qx-{foreign}", "S"))
    assert [found.uid for found in await orphan.world.reconciler.orphans()] == [orphan.uid]
    with pytest.raises(PermanentError):
        await orphan.world.reconciler.end_orphan(foreign)
    await orphan.world.reconciler.reconcile(foreign)
    assert hypervisor.calls == []


async def test_one_whose_claim_names_another_is_ended_at_once_and_that_claim_stays(
    orphan: VmHandle, hypervisor: FakeHypervisor, place: VolumePlace
) -> None:
    world = orphan.world
    before = world.claims.read(place)
    assert before is not None
    world.claims.compare_and_set(place, before, Claim(1, Holder("h2", 2), orphan.uid, CLUSTER))
    await world.reconciler.end_orphan(orphan.uid)
    await look(orphan)
    assert hypervisor.calls == ["destroy", "undefine"]
    assert (after := world.claims.read(place)) is not None
    assert after.held_by("h2", 2)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (DomainState.PAUSED, PAUSED_POST_COPY),
        (DomainState.PAUSED, PAUSED_POST_COPY_FAILED),
        (DomainState.RUNNING, RUNNING_POST_COPY_FAILED),
        (DomainState.CRASHED, 1),
    ],
)
@pytest.mark.parametrize("by_order", [True, False])
async def test_one_that_is_never_to_go_on_is_ended_and_not_asked(
    orphan: VmHandle, hypervisor: FakeHypervisor, state: DomainState, reason: int, by_order: bool
) -> None:
    domain = hypervisor.found[orphan.domain]
    domain.state, domain.reason = state, reason
    if by_order:
        await orphan.world.reconciler.end_orphan(orphan.uid)
    else:
        await orphan.world.reconciler.shut_down_guests()
    await look(orphan)
    assert hypervisor.calls == ["destroy", "undefine"]


async def test_the_end_of_the_host_ends_it_as_it_ends_the_others(
    orphan: VmHandle, hypervisor: FakeHypervisor, place: VolumePlace
) -> None:
    await orphan.world.reconciler.shut_down_guests()
    assert orphan.uid in orphan.world.woken
    await look(orphan)
    assert hypervisor.calls == ["shutdown", "undefine"]
    assert (after := orphan.world.claims.read(place)) is not None
    assert after.holder is None
    assert await orphan.world.reconciler.guests_left() == ()


async def test_a_deletion_that_this_host_saw_is_carried_through_though_the_vm_is_gone(
    running: VmHandle, hypervisor: FakeHypervisor, place: VolumePlace
) -> None:
    hypervisor.guest_obeys = False
    running.delete()
    await running.reconcile()
    running.world.remove_by_force(running)
    await look(running, after_s=61)
    assert hypervisor.calls[-2:] == ["destroy", "undefine"]
    assert (after := running.world.claims.read(place)) is not None
    assert after.holder is None
    assert not running.world.layout.vm_data(running.uid).exists()


async def test_a_vm_that_is_back_in_the_api_before_its_end_is_none_any_more(
    orphan: VmHandle, hypervisor: FakeHypervisor
) -> None:
    world = orphan.world
    hypervisor.guest_obeys = False
    stored = dict(hypervisor.found)
    await world.reconciler.end_orphan(orphan.uid)
    assert world.records.load(orphan.uid).remains is not None
    world.add_vm("web-2")
    manifest = world.stores[VIRTUAL_MACHINES].pop("default/web-2")
    manifest["metadata"]["uid"] = orphan.uid
    world.stores[VIRTUAL_MACHINES]["default/web-2"] = world.api.put(manifest)
    assert hypervisor.found == stored
    await look(orphan)
    assert world.records.load(orphan.uid).remains is None
