"""A disk goes into a real Ceph, between pools there and out of it, while its guest writes without a pause."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from quantix_api.host_spec import HostSpec
from quantix_api.resources import VOLUMES
from quantix_hostd.claims import Claim, Holder, take
from quantix_hostd.clients.rbd_snapshots import (
    remove_snapshot,
    snapshot_bytes,
    snapshot_image,
    take_snapshot,
)
from quantix_hostd.moves import copy_of, leave
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.ceph_guests import add_fast, add_pool
from quantix_lab.ceph_pools import FAST
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.libvirt_world import libvirt_world
from quantix_lab.mortality import DeathAfter, HostdKilledError, Mortality
from quantix_lab.moving_disk import CALLED, KEY, SECOND, MovingDisk
from quantix_lab.vm_manifests import grown
from quantix_lab.vm_world import CLUSTER, HOST
from quantix_lab.volumes_part import VolumesPart
from quantix_lab.waiting import eventually_async
from quantix_lab.writing_guest import TURNS, install, lost

SLOWLY = HostSpec.model_validate({"diskCopies": {"bytesPerSecond": "64Ki"}})


@pytest.fixture(scope="module")
def two_pools(ceph_cluster: CephCluster) -> CephCluster:
    if SECOND not in ceph_cluster.keys:
        ceph_cluster.make_pool(SECOND)
        ceph_cluster.make_user(SECOND, SECOND)
    return ceph_cluster


@pytest.fixture
async def busy(libvirt_host: LibvirtHost, two_pools: CephCluster) -> AsyncIterator[MovingDisk]:
    async with libvirt_world(libvirt_host) as (world, _):
        add_fast(world, two_pools)
        add_pool(world, two_pools, "second", SECOND)
        vm = world.add_vm("busy", disks={"root": world.add_volume("busy-root")}, gracePeriodSeconds=0)
        install(vm.root_place.data)
        await vm.reconcile()
        for pool in CALLED:
            await world.pools.pool(pool)
        found = MovingDisk(vm, libvirt_host, two_pools)
        await found.writes_on("local", TURNS)
        yield found
        world.storage.clients.close()


async def test_no_write_is_lost_on_the_way_through_ceph_and_back(busy: MovingDisk) -> None:
    pids, key = busy.pids(), busy.ceph.keys[FAST]
    for pool in ("fast", "second", "local"):
        busy.want(pool)
        await busy.until(pool)
        reached = max(await busy.numbers(pool))
        await busy.writes_on(pool, reached + 20)
        assert await busy.lost(pool) == set(), pool
        assert busy.claim(pool) == Claim(0, Holder(HOST, 1), busy.vm.uid, CLUSTER)
        (pid,) = busy.pids()
        assert key not in Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
        await busy.vm.reconcile()
        told = busy.vm.condition("Ready")
        assert (told["status"], told["reason"]) == ("True", "Running")
        assert "pendingChanges" not in busy.vm.status["runtime"]
    assert busy.pids() == pids, "the same QEMU"
    assert busy.images() == []


@pytest.mark.soak
async def test_a_guest_whose_qemu_dies_on_the_way_starts_from_where_all_its_writes_are(
    busy: MovingDisk,
) -> None:
    busy.world.host = SLOWLY
    for pool, before in (("fast", "local"), ("local", "fast")):
        busy.want(pool)
        await eventually_async("it is being copied", busy.copies, timeout_s=60, interval_s=0.3)
        (pid,) = busy.pids()
        os.kill(pid, signal.SIGKILL)
        await eventually_async("QEMU is gone", lambda: busy.pids() == [])
        assert lost(await busy.numbers(before)) == set()

        busy.world.host = HostSpec()
        # until Ceph knows that the dead QEMU is gone the unfinished copy cannot be removed
        await busy.until(pool, timeout_s=200)
        await busy.writes_on(pool, 0)
        busy.world.host = SLOWLY
    assert busy.images() == []


@pytest.mark.soak
async def test_a_move_that_is_called_off_leaves_nothing_in_ceph_and_the_guest_writes_on(
    busy: MovingDisk,
) -> None:
    busy.world.host = SLOWLY
    pids = busy.pids()
    busy.want("fast")
    await eventually_async("it is being copied", busy.copies, timeout_s=60, interval_s=0.3)
    assert len(busy.images()) == 1

    busy.want("local")
    await busy.until("local")
    assert busy.images() == []
    assert busy.pids() == pids
    await busy.writes_on("local", max(await busy.numbers("local")))
    assert await busy.lost("local") == set()


@pytest.mark.soak
async def test_a_vm_that_stops_on_the_way_is_moved_by_its_host_and_starts_there(busy: MovingDisk) -> None:
    busy.world.host = SLOWLY
    busy.want("fast")
    await eventually_async("it is being copied", busy.copies, timeout_s=60, interval_s=0.3)
    busy.vm.change("spec", "powerState", value="Stopped")
    await busy.until("fast")
    assert busy.pids() == []
    assert lost(await busy.numbers("fast")) == set()
    reached = max(await busy.numbers("fast"))

    busy.vm.change("spec", "powerState", value="Running")
    busy.vm.change("status", "assignment", value={"host": HOST, "epoch": 3})
    await busy.vm.reconcile()
    assert busy.vm.status["phase"] == "Running"
    assert busy.claim("fast") == Claim(2, Holder(HOST, 3), busy.vm.uid, CLUSTER)
    # it begins to count anew, over what it wrote before
    await busy.writes_on("fast", reached)


async def test_hostd_killed_after_the_switch_goes_on_with_what_it_switched_to(busy: MovingDisk) -> None:
    pids = busy.pids()
    for pool in ("fast", "local"):
        assert await _survives(busy, DeathAfter("switch_to_copy"), pool)
    assert busy.pids() == pids
    assert await busy.lost("local") == set()


@pytest.mark.soak
async def test_hostd_killed_before_any_effect_of_a_move_ends_in_one_place(busy: MovingDisk) -> None:
    pids, pool, step, killed = busy.pids(), "local", 0, True
    while killed:
        for _ in ("there", "and back"):
            pool = "fast" if pool == "local" else "local"
            killed = await _survives(busy, Mortality(step), pool)
        step += 1
    assert step >= 10
    assert busy.pids() == pids
    assert await busy.lost(pool) == set()


async def _survives(busy: MovingDisk, mortality: Mortality, pool: str) -> bool:
    """Kill hostd at one of its effects of a move to `pool`, and go on with a new one; False: it was through
    before.
    """
    busy.world.reconciler = busy.world.new_reconciler(mortal=mortality)
    busy.want(pool)
    with suppress(HostdKilledError):
        await busy.until(pool)
    busy.world.reconciler, busy.part = busy.world.new_reconciler(), VolumesPart(busy.world)
    # it waits before it begins anew what failed
    busy.world.skipped_s += 11
    await busy.until(pool)
    await busy.writes_on(pool, max(await busy.numbers(pool)))
    return mortality.struck


async def test_an_idle_volume_goes_through_both_pools_and_back_with_all_its_content(busy: MovingDisk) -> None:
    busy.vm.change("spec", "powerState", value="Stopped")
    await eventually_async("its end", busy.is_off, timeout_s=60, interval_s=0.3)
    before = await busy.numbers("local")
    for pool in ("fast", "second", "local"):
        busy.want(pool)
        await busy.until(pool)
        assert await busy.numbers(pool) == before
    assert busy.images() == []


async def test_hostd_killed_before_a_whole_copy_has_its_name_copies_the_volume_again(
    busy: MovingDisk,
) -> None:
    busy.vm.change("spec", "powerState", value="Stopped")
    await eventually_async("its end", busy.is_off, timeout_s=60, interval_s=0.3)
    before, claims, local = await busy.numbers("local"), busy.world.claims, busy.place("local")
    found = busy.claim("local")
    assert found is not None
    held = take(found, HOST, found.floor + 1, local.handle, CLUSTER)
    claims.compare_and_set(local, found, leave(held, "fast"))
    await asyncio.to_thread(claims.create, busy.place("fast"), copy_of(held, "local", None, ""))

    busy.want("fast")
    await busy.until("fast")
    assert await busy.numbers("fast") == before


async def test_a_moved_disk_grows_and_is_limited_under_its_guest(busy: MovingDisk) -> None:
    busy.want("fast")
    await busy.until("fast")
    store = busy.world.stores[VOLUMES]
    store[KEY] = grown(store[KEY], "96Mi")
    store[KEY]["spec"]["qos"] = {"iops": 500}
    await busy.vm.reconcile()
    await busy.vm.reconcile()

    disk = busy.world.disks.read(busy.place("fast"))
    assert disk is not None
    assert disk.capacity_bytes == 96 << 20
    found = await busy.world.hypervisor.domain(busy.vm.domain)
    assert found is not None
    assert "<total_iops_sec>500</total_iops_sec>" in (found.live_xml or "")
    await busy.writes_on("fast", max(await busy.numbers("fast")))

    busy.want("local")
    await busy.until("local")
    assert await busy.lost("local") == set()
    back = busy.world.disks.read(busy.place("local"))
    assert back is not None
    assert back.capacity_bytes == 96 << 20


async def test_snapshots_of_a_disk_that_leaves_ceph_keep_its_image_until_the_last_is_removed(
    busy: MovingDisk,
) -> None:
    busy.want("fast")
    await busy.until("fast")
    pool, handle = busy.world.pools.in_ceph("fast"), busy.place("fast").handle
    await asyncio.to_thread(take_snapshot, pool, handle, "s1")
    busy.want("local")
    await busy.until("local")

    assert [name.partition("/")[2].partition(".")[0] for name in busy.images()] == ["gone"]
    assert await asyncio.to_thread(snapshot_bytes, pool, handle, "s1") == 64 << 20
    assert await busy.lost("local") == set()
    busy.want("fast")
    await busy.until("fast")
    assert await asyncio.to_thread(snapshot_image, pool, handle, "s1") != handle, "it is another image"
    await asyncio.to_thread(remove_snapshot, pool, handle, "s1")
    assert busy.images() == [f"{FAST}/{handle}"]
