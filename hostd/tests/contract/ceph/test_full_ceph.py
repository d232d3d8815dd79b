"""A pool in a real Ceph that is full: said, what needs room is refused at once, what makes room is done, and
guests stand still and go on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from quantix_api.errors import TransientError
from quantix_api.message_table_phrases import CEPH_OSD_FULL, CEPH_QUOTA_USED
from quantix_hostd.claims import new_claim, release, take
from quantix_hostd.clients.ceph_claims import CephClaimStore
from quantix_hostd.clients.ceph_state import CephStateObjects
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.clients.rbd_import import RbdImport, create_blank
from quantix_hostd.clients.rbd_snapshots import image_at, remove_snapshot, take_snapshot
from quantix_hostd.clients.sandbox import Sandbox
from quantix_hostd.virtualmachine.reconciler import QUIET_S
from quantix_hostd.volume.rbd_disk import RbdDiskMaker
from quantix_hostd.volume.recipe import Base, Recipe
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.ceph_full import Full, osds_full, quota_used
from quantix_lab.ceph_guests import CephGuests, add_fast, claim_of
from quantix_lab.ceph_pools import FAST, clients_of
from quantix_lab.disk_pools import IMAGES, pool_at
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.libvirt_world import libvirt_world
from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import CLUSTER, HOST, VmHandle
from quantix_lab.waiting import eventually_async
from quantix_lab.writing_guest import lost

MIB = 1 << 20
# what is refused is not waited for: a call that is held back ends after 5 s
AT_ONCE_S = 4.0
# beyond the time that a guest of these takes for a write
STANDS_STILL_S = 2.0
# when a snapshot that found no room is tried again
SNAPSHOT_AGAIN_S = 61.0

WAYS: dict[str, tuple[Full, str]] = {
    "quota": (quota_used, CEPH_QUOTA_USED),
    "osds": (osds_full, CEPH_OSD_FULL),
}


@dataclass
class Fast:
    """Pool `fast` of a host, and what makes disks in it."""

    pool: PoolRbd
    claims: CephClaimStore
    disks: RbdDiskMaker

    async def make(self, handle: str, base: Base | None = None, *, full_copy: bool = False) -> None:
        await self.disks.make(self.pool, Recipe(handle, 64 * MIB, base, full_copy=full_copy))

    def add_image(self, uid: str) -> Base:
        create_blank(self.pool, self.pool.draft(uid), 64 * MIB)
        self.pool.publish_image(uid, {}, CLUSTER)
        return Base(uid, "raw", 64 * MIB)


@pytest.fixture
def fast(ceph_cluster: CephCluster, tmp_path: Path) -> Iterator[Fast]:
    clients = clients_of(ceph_cluster, "h1")
    pool, claims = (
        PoolRbd("fast", "h1", clients, pool_at(tmp_path / "staging", "fast")),
        CephClaimStore(clients),
    )
    pool.mark(CLUSTER)
    importer = RbdImport(QemuImg(Sandbox(IMAGES), unlock_ms=1), IMAGES)
    yield Fast(
        pool, claims, RbdDiskMaker(importer, claims, CephStateObjects(clients), CLUSTER, lambda _: pool)
    )
    clients.close()


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_of_a_full_pool_what_needs_room_is_refused_and_what_makes_room_is_done(
    fast: Fast, ceph_cluster: CephCluster, way: str
) -> None:
    fill, why = WAYS[way]
    pool, base = fast.pool, fast.add_image(f"{way}-image")
    unneeded = fast.add_image(f"{way}-unneeded")
    for handle in ("written", "kept"):
        await fast.make(f"{way}-{handle}")
    take_snapshot(pool, f"{way}-kept", "s1")
    with pool.editing(f"{way}-written") as image:
        image.write(b"x" * 8 * MIB, 0)
    await asyncio.to_thread(ceph_cluster.await_capacity)
    before = names(ceph_cluster)

    with fill(ceph_cluster, FAST):
        space = pool.space()
        assert (space.full, space.available_bytes, pool.full()) == (why, 0, why)
        for wish in (fast.make("new"), fast.make("new", base), fast.make("new", base, full_copy=True)):
            began = time.monotonic()
            with pytest.raises(TransientError) as refused:
                await wish
            assert time.monotonic() - began < AT_ONCE_S
            assert refused.value.reason == "PoolFull"
            assert refused.value.message == f"Pool fast takes no more, since {why}."
        assert names(ceph_cluster) == before
        with pytest.raises(TransientError, match=why):
            image_at(pool, pool.place(f"{way}-kept"))

        place = pool.place(f"{way}-written")
        held = take(new_claim(CLUSTER), "h1", 1, "uid-of-a-vm", CLUSTER)
        fast.claims.compare_and_set(place, new_claim(CLUSTER), held)
        fast.claims.compare_and_set(place, held, release(held, "h1", 1))
        # a hostd that begins now uses it, too
        pool.mark(CLUSTER)
        assert fast.disks.remove(pool, place.handle)
        assert remove_snapshot(pool, f"{way}-kept", "s1")
        assert fast.disks.remove(pool, f"{way}-kept")
        assert pool.remove_image(unneeded.image_uid)
        left = {f"{way}-written", f"{way}-kept", pool.image_name(unneeded.image_uid)}
        assert names(ceph_cluster) == before - left

    assert pool.full() == ""
    await fast.make(f"{way}-new", base)
    assert pool.disk(f"{way}-new") is not None


def names(cluster: CephCluster) -> set[str]:
    return set(cluster.rbd("ls", FAST).split())


@pytest.fixture
async def guests(libvirt_host: LibvirtHost, ceph_cluster: CephCluster) -> AsyncIterator[CephGuests]:
    async with libvirt_world(libvirt_host) as (world, client):
        add_fast(world, ceph_cluster)
        yield CephGuests(world, libvirt_host, client, ceph_cluster)
        world.storage.clients.close()


@pytest.fixture
async def part(guests: CephGuests) -> AsyncIterator[SnapshotsPart]:
    made = SnapshotsPart(guests.world)
    yield made
    await made.controller.stop()
    await made.restores.stop()


async def told(vm: VmHandle) -> None:
    """Look until what is not over in a moment is said, too."""
    await vm.reconcile()
    await vm.look_after(QUIET_S + 0.1)


@pytest.mark.parametrize("way", ["quota", pytest.param("osds", marks=pytest.mark.soak)])
async def test_a_guest_stands_still_while_its_pool_is_full_and_goes_on_by_itself(
    guests: CephGuests, part: SnapshotsPart, way: str
) -> None:
    fill, why = WAYS[way]
    vm = await guests.counting(f"still-{way}")
    pids = guests.pids(vm)
    with fill(guests.ceph, FAST):
        await told(vm)
        ready = vm.condition("Ready")
        assert (vm.status["phase"], ready["status"], ready["reason"]) == ("Running", "False", "PoolFull")
        assert ready["message"].startswith(f"Pool fast takes no writes, since {why}: what still-{way} writes")
        before = await guests.newest(vm)
        await asyncio.sleep(STANDS_STILL_S)
        assert await guests.newest(vm) == before
        # QEMU, asked to let it stand still, would answer nothing more before there is room
        vm.change("spec", "powerState", value="Paused")
        await vm.reconcile()
        assert (vm.status["phase"], vm.condition("Ready")["reason"]) == ("Running", "PoolFull")
        vm.change("spec", "powerState", value="Running")
        snapshot = part.add(f"later-{way}", vm)
        await waits_for_room(part, snapshot, why)

    await guests.counts_on(vm, before)
    await vm.look_after(SNAPSHOT_AGAIN_S)
    assert guests.pids(vm) == pids
    assert vm.condition("Ready")["reason"] == "Running"
    assert lost(await guests.numbers(vm)) == set()
    await part.until(snapshot, "Ready")


async def waits_for_room(part: SnapshotsPart, key: str, why: str) -> None:
    """Until the snapshot says that it does."""

    async def says() -> bool:
        (ready,) = (item for item in (await part.look(key))["conditions"] if item["type"] == "Ready")
        return bool(ready["message"].startswith(f"Pool fast takes no more, since {why}."))

    await eventually_async("it to wait for room", says, interval_s=0.1)


async def test_from_a_full_pool_nothing_starts_and_what_is_stopped_gives_its_claim_back(
    guests: CephGuests,
) -> None:
    vm = await guests.counting("stopped")
    with quota_used(guests.ceph, FAST):
        await guests.stops(vm)
        assert guests.pids(vm) == []
        assert claim_of(vm).holder is None
        vm.change("spec", "powerState", value="Running")
        vm.change("status", "assignment", value={"host": HOST, "epoch": 2})
        await told(vm)
        assert vm.condition("Ready")["reason"] == "PoolFull"
        assert "stopped cannot start from it" in vm.condition("Ready")["message"]
        assert guests.pids(vm) == []
        written = await guests.newest(vm)

    await vm.look_after(10)
    assert vm.status["phase"] == "Running"
    assert claim_of(vm).held_by(HOST, 2)
    await guests.counts_on(vm, written)
