"""A VM whose guest writes without a pause, and whose disk goes from pool to pool, also of a real Ceph."""

from __future__ import annotations

import asyncio
import copy
from contextlib import suppress

from quantix_api.errors import QuantixError
from quantix_api.resources import VOLUMES
from quantix_hostd.claims import CephPool, Claim, VolumeMissingError, VolumePlace
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.ceph_guests import written
from quantix_lab.ceph_pools import FAST
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.vm_world import VmHandle, VmWorld
from quantix_lab.volumes_part import VolumesPart
from quantix_lab.waiting import eventually_async
from quantix_lab.writing_guest import lost, numbers

KEY = "default/busy-root"
SECOND = "quantix-second"
CALLED = {"fast": FAST, "second": SECOND}
"""StoragePools, by what Ceph calls them."""


class MovingDisk:
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
        # a new object, as the watch would bring it
        volume = copy.deepcopy(self.world.stores[VOLUMES][KEY])
        volume["spec"]["pool"] = volume["status"]["movingTo"] = pool
        self.world.stores[VOLUMES][KEY] = volume

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

        await eventually_async(f"numbers beyond {beyond}", more, timeout_s=120, interval_s=0.3)

    async def lost(self, pool: str) -> set[int]:
        """Of what it wrote, as it stands still for a moment."""
        await self.world.hypervisor.suspend(self.vm.domain)
        missing = lost(await self.numbers(pool))
        await self.world.hypervisor.resume(self.vm.domain)
        return missing

    async def copies(self) -> bool:
        """Whether its QEMU copies it, after one more look."""
        await self.vm.reconcile()
        return await self.world.hypervisor.copy_progress(self.vm.domain, "vda") is not None

    async def is_off(self) -> bool:
        await self.vm.reconcile()
        return bool(self.vm.status["phase"] == "Stopped")

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
