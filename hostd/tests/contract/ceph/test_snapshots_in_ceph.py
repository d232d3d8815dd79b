"""Snapshots of volumes in a real Ceph: kept, cloned, set back, and removed in any order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from quantix_api.resources import VOLUMES
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.rbd_snapshots import image_at, remove_snapshot, snapshot_bytes
from quantix_hostd.snapshot_place import place_of_disk
from quantix_hostd.volume.recipe import Origin, Recipe
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.ceph_guests import add_fast, add_volume_in_ceph, install, place_of, written
from quantix_lab.ceph_pools import FAST
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.libvirt_world import libvirt_world
from quantix_lab.mortality import DeathAfter
from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import HOST, VmHandle, VmWorld
from quantix_lab.volumes_part import VolumesPart
from quantix_lab.waiting import eventually_async
from quantix_lab.writing_guest import lost

_BYTES = 64 << 20


@dataclass
class Bench:
    world: VmWorld
    ceph: CephCluster
    part: SnapshotsPart
    vm: VmHandle
    pool: PoolRbd
    volumes: VolumesPart

    async def found(self, name: str) -> list[int]:
        """What the guest wrote last at each of its turns, in an image or a snapshot of one."""
        return await asyncio.to_thread(written, self.ceph, name)

    @property
    def handle(self) -> str:
        return place_of(self.vm).handle

    def images(self) -> set[str]:
        return set(self.ceph.rbd("ls", FAST).split())

    def half_rename(self) -> None:
        """As whoever exchanges the image of the volume leaves it, and is killed then: it has another name
        already, and the old one still tells of it.
        """
        about = json.loads(self.ceph.rbd("info", "--format", "json", f"{FAST}/{self.handle}"))
        aside = f"gone.{self.handle}.{about['id']}"
        self.ceph.rbd("rename", f"{FAST}/{self.handle}", f"{FAST}/{aside}")
        with self.pool.ceph.opened(self.pool.key) as ioctx:
            ioctx.write_full(f"rbd_id.{self.handle}", ioctx.read(f"rbd_id.{aside}"))

    async def counts_on(self) -> None:
        before = max(await self.found(self.handle))

        async def more() -> bool:
            return max(await self.found(self.handle)) > before

        await eventually_async("it to count on", more, timeout_s=90, interval_s=0.3)

    async def moves(self, pool: str) -> None:
        """The disk, which no guest has, to another pool."""
        key, store = "default/counting-root", self.world.stores[VOLUMES]
        store[key]["spec"]["pool"] = store[key]["status"]["movingTo"] = pool

        async def settled() -> bool:
            status = await self.volumes.look(key)
            if status["pool"] != pool:
                return False
            place = (await self.world.pools.pool(pool)).place(self.handle)
            claim = await asyncio.to_thread(self.world.claims.read, place)
            return claim is not None and not claim.moved_from

        await eventually_async(f"it to be in {pool}", settled, timeout_s=90, interval_s=0.3)

    async def stops(self) -> None:
        self.vm.change("spec", "powerState", value="Stopped")

        async def off() -> bool:
            await self.vm.reconcile()
            return bool(self.vm.status["phase"] == "Stopped")

        await eventually_async("its end", off, timeout_s=60, interval_s=0.1)


@pytest.fixture
async def bench(libvirt_host: LibvirtHost, ceph_cluster: CephCluster) -> AsyncIterator[Bench]:
    async with libvirt_world(libvirt_host) as (world, _):
        add_fast(world, ceph_cluster)
        volume = await add_volume_in_ceph(world, "counting-root")
        await asyncio.to_thread(install, ceph_cluster, volume["metadata"]["uid"])
        vm = world.add_vm("counting", disks={"root": volume}, gracePeriodSeconds=0)
        await vm.reconcile()
        pool = await world.pools.pool("fast")
        assert isinstance(pool, PoolRbd)
        made = Bench(world, ceph_cluster, SnapshotsPart(world), vm, pool, VolumesPart(world))
        await made.counts_on()
        yield made
        await made.part.controller.stop()
        await made.part.restores.stop()
        world.storage.clients.close()


async def test_a_guest_that_counts_is_kept_at_one_moment_and_set_back_to_it(bench: Bench) -> None:
    key = bench.part.add("first", bench.vm)
    status = await bench.part.until(key, "Ready")
    uid = bench.part.uid(key)
    kept = await bench.found(f"{bench.handle}@snap.{uid}")
    assert lost(kept) == set()
    assert status["disks"][0]["handle"] == bench.handle
    await bench.counts_on()
    await bench.stops()
    assert max(await bench.found(bench.handle)) > max(kept)
    await bench.part.until(bench.part.add_restore("back", key, bench.vm), "Restored")
    assert await bench.found(bench.handle) == kept
    bench.vm.change("spec", "powerState", value="Running")
    bench.vm.change("status", "assignment", value={"host": HOST, "epoch": 2})
    await bench.vm.reconcile()
    await bench.counts_on()
    bench.part.delete(key)
    assert (await bench.part.look(key))["data"] == "Absent"
    assert bench.ceph.rbd("snap", "ls", f"{FAST}/{bench.handle}").strip() == ""


async def test_a_disk_that_left_the_pool_and_came_back_is_set_back(bench: Bench) -> None:
    key = bench.part.add("first", bench.vm)
    await bench.part.until(key, "Ready")
    uid = bench.part.uid(key)
    kept = await bench.found(f"{bench.handle}@snap.{uid}")
    await bench.counts_on()
    await bench.stops()
    later = await bench.found(bench.handle)
    for pool in ("local", "fast"):
        await bench.moves(pool)
    assert await bench.found(bench.handle) == later
    assert len([name for name in bench.images() if bench.handle in name]) == 2, "the image that was kept, too"
    origin = Origin("default/first", uid, place_of_disk(bench.pool, uid, "root", bench.handle), _BYTES)
    assert await bench.world.disks.make(bench.pool, Recipe("c1c1", 0, origin=origin))
    assert await bench.found("c1c1") == kept

    again = bench.part.add("second", bench.vm)
    await bench.part.until(again, "Ready")
    for number, (snapshot, content) in enumerate(((key, kept), (again, later), (key, kept))):
        if snapshot == again:
            await asyncio.to_thread(bench.half_rename)
        restore = bench.part.add_restore(f"back-{number}", snapshot, bench.vm)
        await bench.part.until(restore, "Restored")
        assert await bench.found(bench.handle) == content
    bench.vm.change("spec", "powerState", value="Running")
    bench.vm.change("status", "assignment", value={"host": HOST, "epoch": 9})
    await bench.vm.reconcile()
    await bench.counts_on()
    for snapshot in (again, key):
        bench.part.delete(snapshot)
        assert (await bench.part.look(snapshot))["data"] == "Absent"
    assert await bench.found("c1c1") == kept
    assert await asyncio.to_thread(bench.world.disks.remove, bench.pool, "c1c1")
    assert [name for name in bench.images() if bench.handle in name] == [bench.handle]


async def test_volume_snapshot_and_what_was_cloned_of_it_go_in_any_order(bench: Bench) -> None:
    key = bench.part.add("first", bench.vm)
    await bench.part.until(key, "Ready")
    uid, handle, disks = bench.part.uid(key), bench.handle, bench.world.disks
    kept = await bench.found(f"{handle}@snap.{uid}")
    place = place_of_disk(bench.pool, uid, "root", handle)
    origin = Origin("default/first", uid, place, _BYTES)
    assert await disks.make(bench.pool, Recipe("c1c1", 0, origin=origin))
    assert '"parent"' in bench.ceph.rbd("info", "--format", "json", f"{FAST}/c1c1"), "it shares its blocks"
    await bench.stops()
    assert await asyncio.to_thread(disks.remove, bench.pool, handle)
    (left,) = (name for name in bench.images() if name.startswith(f"gone.{handle}."))
    assert "c1c1" in bench.images()
    assert handle not in bench.pool.handles()
    assert await asyncio.to_thread(snapshot_bytes, bench.pool, handle, uid) == _BYTES
    image = await asyncio.to_thread(image_at, bench.pool, place)
    assert (image.name, image.snapshot) == (left, f"snap.{uid}")
    assert await disks.make(bench.pool, Recipe("c2c2", 0, full_copy=True, origin=origin))
    assert await bench.found("c2c2") == kept
    local = await bench.world.pools.pool("local")
    assert await disks.make(local, Recipe("d1d1", 0, origin=origin))
    assert await asyncio.to_thread(remove_snapshot, bench.pool, handle, uid)
    assert left in bench.images(), "its clone needs it"
    assert await bench.found("c1c1") == kept
    assert not await asyncio.to_thread(remove_snapshot, bench.pool, handle, uid)
    assert await asyncio.to_thread(disks.remove, bench.pool, "c1c1")
    assert not [name for name in bench.images() if handle in name]
    assert await asyncio.to_thread(disks.remove, bench.pool, "c2c2")


async def test_memory_of_a_vm_in_ceph_is_kept_there(bench: Bench) -> None:
    key = bench.part.add("first", bench.vm, memory=True)
    await bench.part.until(key, "Ready")
    uid = bench.part.uid(key)
    assert f"memory.{uid}" in bench.images()
    path = await bench.part.storage.fetch_memory(bench.pool, uid, bench.part.tools.room)
    assert path.read_bytes().startswith(b"LibvirtQemudSave")
    bench.part.delete(key)
    assert (await bench.part.look(key))["data"] == "Absent"
    assert f"memory.{uid}" not in bench.images()
    assert not path.exists()


async def test_memory_that_is_in_ceph_makes_a_snapshot_though_hostd_is_killed_then(bench: Bench) -> None:
    mortality = DeathAfter("keep_memory")
    bench.part = SnapshotsPart(bench.world, mortality)
    key = bench.part.add("first", bench.vm, memory=True)

    async def dead() -> bool:
        await bench.part.look_until_dead(key, mortality)
        return mortality.struck

    await eventually_async("its death", dead, timeout_s=60, interval_s=0.1)
    bench.part = await bench.part.killed()
    await bench.part.controller.tidy()
    await bench.part.controller.resume_left()
    await bench.part.until(key, "Ready")
    assert f"memory.{bench.part.uid(key)}" in bench.images()
    assert list(bench.world.layout.data.glob("snapshots/*.memory")) == []
