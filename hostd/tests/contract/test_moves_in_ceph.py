"""A disk goes into a real Ceph, between pools there and out of it, while its guest writes without a pause."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from quantix_api.errors import QuantixError
from quantix_api.resources import VOLUMES
from quantix_hostd.claims import CephPool, Claim, Holder, VolumeMissingError, VolumePlace
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.ceph_guests import add_fast, add_pool, written
from quantix_lab.ceph_pools import FAST
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.libvirt_world import libvirt_world
from quantix_lab.mortality import HostdKilledError, Mortality
from quantix_lab.vm_world import CLUSTER, HOST, VmHandle, VmWorld
from quantix_lab.volumes_part import VolumesPart
from quantix_lab.waiting import eventually_async
from quantix_lab.writing_guest import install, lost, numbers

KEY = "default/busy-root"
SECOND = "quantix-second"
CALLED = {"fast": FAST, "second": SECOND}


class Busy:
    """A VM whose guest writes numbers, and where its disk is and is to go."""

    def __init__(self, vm: VmHandle, host: LibvirtHost, ceph: CephCluster) -> None:
        self.vm, self.host, self.ceph = vm, host, ceph
        self.world: VmWorld = vm.world
        self.part = VolumesPart(vm.world)

    def place(self, pool: str) -> VolumePlace:
        key = self.world.pool if pool == "local" else CephPool(pool)
        return VolumePlace(key, self.vm.root_place.handle)

    def claim(self, pool: str) -> Claim | None:
        """None where nothing of the volume is in that pool."""
        with suppress(VolumeMissingError):
            return self.world.claims.read(self.place(pool))
        return None

    def want(self, pool: str) -> None:
        """Spec wants the disk there, and the operator has promised room."""
        volume = self.world.stores[VOLUMES][KEY]
        volume["spec"]["pool"] = volume["status"]["movingTo"] = pool

    async def until(self, pool: str, timeout_s: float = 120) -> None:
        """Until it is there, and nothing of it anywhere else."""

        async def moved() -> bool:
            with suppress(QuantixError):
                await self.vm.reconcile()
            status = await self.part.look(KEY)
            others = {"local", *CALLED} - {pool}
            return status["pool"] == pool and not any(map(self.claim, others)) and _at_rest(self.claim(pool))

        await eventually_async(f"it is in {pool}", moved, timeout_s=timeout_s, interval_s=0.1)

    async def numbers(self, pool: str) -> list[int]:
        if pool == "local":
            return await asyncio.to_thread(numbers, self.place(pool).data)
        return await asyncio.to_thread(written, self.ceph, self.place(pool).handle, CALLED[pool])

    async def writes_on(self, pool: str, beyond: int) -> None:
        async def more() -> bool:
            return max(await self.numbers(pool)) > beyond

        await eventually_async(f"numbers beyond {beyond}", more, timeout_s=60, interval_s=0.3)

    async def lost(self, pool: str) -> set[int]:
        """Of what it wrote, as it stands still for a moment."""
        await self.world.hypervisor.suspend(self.vm.domain)
        missing = lost(await self.numbers(pool))
        await self.world.hypervisor.resume(self.vm.domain)
        return missing

    def pids(self) -> list[int]:
        return self.host.qemu_pids(self.vm.domain)

    def images(self) -> list[str]:
        """All that Ceph has of the volume."""
        found = [
            f"{pool}/{name}" for pool in CALLED.values() for name in self.ceph.rbd("ls", pool).splitlines()
        ]
        return [name for name in found if self.vm.root_place.handle in name]


def _at_rest(claim: Claim | None) -> bool:
    return claim is not None and not (claim.moving_to or claim.moved_from or claim.partial)


@pytest.fixture(scope="module")
def two_pools(ceph_cluster: CephCluster) -> CephCluster:
    if SECOND not in ceph_cluster.keys:
        ceph_cluster.make_pool(SECOND)
        ceph_cluster.make_user(SECOND, SECOND)
    return ceph_cluster


@pytest.fixture
async def busy(libvirt_host: LibvirtHost, two_pools: CephCluster) -> AsyncIterator[Busy]:
    async with libvirt_world(libvirt_host) as (world, _):
        add_fast(world, two_pools)
        add_pool(world, two_pools, "second", SECOND)
        vm = world.add_vm("busy", disks={"root": world.add_volume("busy-root")}, gracePeriodSeconds=0)
        install(vm.root_place.data)
        await vm.reconcile()
        found = Busy(vm, libvirt_host, two_pools)
        await found.writes_on("local", 200)
        yield found
        world.storage.clients.close()


async def test_no_write_is_lost_on_the_way_through_ceph_and_back(busy: Busy) -> None:
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
