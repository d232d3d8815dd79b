"""A claim that cannot be given back when its disk goes is remembered until it is, and its guest runs on."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from typing import Any

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.claims import Claim, Holder, VolumePlace
from quantix_hostd.clients import claim_store
from quantix_hostd.virtualmachine.departed import DepartedGuests
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.plugged_disks import claim_on, opened, set_disks
from quantix_lab.silent_pools import Hang, in_another_pool
from quantix_lab.vm_world import HOST, VmHandle

LATER_S = 31.0


class Locks:
    """Locks on the directories of volumes that nobody lets go."""

    def __init__(self) -> None:
        self._held: dict[VolumePlace, int] = {}

    def begin(self, place: VolumePlace) -> None:
        directory = os.open(place.data.parent, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(directory, fcntl.LOCK_EX)
        self._held[place] = directory

    def end(self) -> None:
        while self._held:
            os.close(self._held.popitem()[1])


@pytest.fixture
def locks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Locks]:
    monkeypatch.setattr(claim_store, "_LOCK_TRIES", 1)
    found = Locks()
    yield found
    found.end()


@pytest.fixture
async def both(running: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor) -> VmHandle:
    """It runs with the disks root and data."""
    set_disks(running, "root", "data")
    await running.reconcile()
    assert opened(running) == ["root", "data"]
    hypervisor.calls.clear()
    return running


def remembered(vm: VmHandle) -> tuple[VolumePlace, ...]:
    return vm.world.records.load(vm.uid).places


async def lets_go_of_locked(vm: VmHandle, data: VolumePlace, locks: Locks) -> None:
    """Its disk data leaves spec and QEMU, while the claim cannot be changed."""
    locks.begin(data)
    set_disks(vm, "root")
    await vm.reconcile()


async def test_what_is_locked_when_its_disk_leaves_is_put_down_later(
    both: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor, locks: Locks
) -> None:
    await lets_go_of_locked(both, data, locks)
    assert (hypervisor.calls, opened(both)) == (["detach ua-data"], ["root"])
    assert (claim_on(both, data).holder, remembered(both)) == (Holder(HOST, 1), (both.root_place, data))
    assert both.condition("Ready")["reason"] == "Running"
    locks.end()
    await both.look_after(LATER_S)
    assert (claim_on(both, data).holder, claim_on(both, data).floor) == (None, 0)
    assert remembered(both) == (both.root_place,)


async def test_the_lock_is_not_waited_for_at_every_look(
    both: VmHandle, data: VolumePlace, locks: Locks, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[VolumePlace] = []
    change = both.world.claims.compare_and_set

    def counted(place: VolumePlace, *rest: Any, **how: Any) -> None:
        tries.append(place)
        change(place, *rest, **how)

    monkeypatch.setattr(both.world.claims, "compare_and_set", counted)
    locks.begin(data)
    set_disks(both, "root")
    for _ in range(3):
        again_s = await both.look_after(1.0)
    assert tries == [data]
    assert again_s is not None
    assert 0 < again_s <= LATER_S
    await both.look_after(LATER_S)
    assert tries == [data, data]


async def test_what_is_locked_keeps_no_other_disk_from_coming(
    both: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor, locks: Locks
) -> None:
    await lets_go_of_locked(both, data, locks)
    more = VolumePlace(both.world.pool, both.world.add_volume("more")["metadata"]["uid"])
    set_disks(both, "root", "more")
    both.change(
        "status", "resolved", "devices", value=[{"name": "root", "port": 1}, {"name": "more", "port": 3}]
    )
    await both.reconcile()
    assert hypervisor.calls[-1] == "attach ua-more"
    assert claim_on(both, more).holder == Holder(HOST, 1)
    assert remembered(both) == (both.root_place, more, data)


async def test_what_is_let_go_meanwhile_does_not_wait_for_what_is_locked(
    both: VmHandle, data: VolumePlace, locks: Locks
) -> None:
    more = VolumePlace(both.world.pool, both.world.add_volume("more")["metadata"]["uid"])
    set_disks(both, "root", "data", "more")
    ports = [{"name": name, "port": number} for number, name in enumerate(("root", "data", "more"), 1)]
    both.change("status", "resolved", "devices", value=ports)
    await both.reconcile()
    assert opened(both) == ["root", "data", "more"]
    locks.begin(data)
    set_disks(both, "root", "more")
    await both.reconcile()
    set_disks(both, "root")
    await both.look_after(1.0)
    assert (opened(both), claim_on(both, more).holder) == (["root"], None)
    assert remembered(both) == (both.root_place, data)


async def test_a_disk_that_comes_again_meanwhile_is_kept(
    both: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor, locks: Locks
) -> None:
    await lets_go_of_locked(both, data, locks)
    locks.end()
    set_disks(both, "root", "data")
    await both.reconcile()
    await both.look_after(LATER_S)
    assert opened(both) == ["root", "data"]
    assert claim_on(both, data).holder == Holder(HOST, 1)
    assert remembered(both) == (both.root_place, data)


async def test_what_another_vm_took_meanwhile_is_left_to_it(
    both: VmHandle, data: VolumePlace, locks: Locks
) -> None:
    await lets_go_of_locked(both, data, locks)
    locks.end()
    held = claim_on(both, data)
    theirs = Claim(held.floor, Holder(HOST, 9), "another", held.cluster_uid)
    both.world.claims.compare_and_set(data, held, theirs)
    await both.look_after(LATER_S)
    assert (claim_on(both, data), remembered(both)) == (theirs, (both.root_place,))


@pytest.mark.parametrize("epoch", [1, 2], ids=["the same epoch", "the next epoch"])
async def test_what_is_locked_at_a_start_without_its_disk_is_given_back_later(
    both: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor, locks: Locks, epoch: int
) -> None:
    locks.begin(data)
    hypervisor.kill(both.domain)
    set_disks(both, "root")
    both.change("status", "assignment", value={"host": HOST, "epoch": epoch})
    await both.look_after(60)
    await both.look_after(60)
    assert (both.status["phase"], opened(both)) == ("Running", ["root"])
    assert both.root_claim.holder == Holder(HOST, epoch)
    assert (claim_on(both, data).holder, remembered(both)) == (Holder(HOST, 1), (both.root_place, data))
    locks.end()
    await both.look_after(LATER_S)
    assert (claim_on(both, data).holder, remembered(both)) == (None, (both.root_place,))
    assert both.root_claim.holder == Holder(HOST, epoch)


async def test_a_vm_that_is_deleted_does_not_wait_for_a_disk_that_it_let_go(
    both: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor, locks: Locks
) -> None:
    """Of its disks it does; the claim that stays admits nobody, and the Volume's own look regains it."""
    await lets_go_of_locked(both, data, locks)
    both.delete()
    for _ in range(3):
        await both.reconcile()
    assert (both.root_claim.holder, both.world.records.load(both.uid).released) == (None, True)
    assert claim_on(both, data).holder == Holder(HOST, 1)
    locks.end()
    both.world.remove_by_force(both)
    await both.world.reconciler.reconcile(both.uid)
    world = both.world
    departed = DepartedGuests(world.tools.objects, world.records, hypervisor, world.processes)
    assert await departed.is_gone(both.uid, 1)


async def test_what_ends_after_its_time_at_a_start_is_seen_to_be_free(
    running: VmHandle, hypervisor: FakeHypervisor, hang: Hang
) -> None:
    data = in_another_pool(running.world, "data")
    set_disks(running, "root", "data")
    await running.reconcile()
    hypervisor.kill(running.domain)
    set_disks(running, "root")
    hang.begin(data.directory, "compare_and_set")
    await running.look_after(60)
    await running.look_after(60)
    assert running.status["phase"] == "Running"
    assert (claim_on(running, data).holder, remembered(running)) == (
        Holder(HOST, 1),
        (running.root_place, data),
    )
    await hang.end()
    await running.look_after(LATER_S)
    assert (claim_on(running, data).holder, remembered(running)) == (None, (running.root_place,))


async def test_a_start_that_fails_after_a_disk_was_given_back_is_tried_again(
    both: VmHandle, data: VolumePlace, hypervisor: FakeHypervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its claim says that this epoch is spent there; that is no release of the VM."""
    create = hypervisor.create_paused

    async def dies(domain: str) -> None:
        await create(domain)
        hypervisor.kill(domain)

    hypervisor.kill(both.domain)
    set_disks(both, "root")
    monkeypatch.setattr(hypervisor, "create_paused", dies)
    with pytest.raises(TransientError):
        await both.look_after(60)
    both.world.pull()
    assert (claim_on(both, data).holder, claim_on(both, data).floor) == (None, 1)
    monkeypatch.setattr(hypervisor, "create_paused", create)
    for _ in range(3):
        await both.look_after(60)
    assert (both.status["phase"], both.root_claim.holder) == ("Running", Holder(HOST, 1))
    assert remembered(both) == (both.root_place,)


async def test_what_another_vm_took_ends_no_guest_that_has_let_it_go(
    running: VmHandle, hypervisor: FakeHypervisor, locks: Locks
) -> None:
    """Its VM is not in the API any more, so that the record alone tells of the disk."""
    place, world = running.root_place, running.world
    locks.begin(place)
    set_disks(running)
    await running.reconcile()
    assert (hypervisor.calls, remembered(running)) == (["detach ua-root"], (place,))
    locks.end()
    held = claim_on(running, place)
    world.claims.compare_and_set(place, held, Claim(held.floor, Holder("h2", 9), "another", held.cluster_uid))
    world.remove_by_force(running)
    await world.reconciler.reconcile(running.uid)
    assert hypervisor.calls == ["detach ua-root"]
