"""VMs of a world whose disks lie in a real Ceph, and what their guests wrote there."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import tempfile
from dataclasses import dataclass

from quantix_api.resources import STORAGE_POOLS, VOLUMES
from quantix_hostd.claims import CephPool, Claim, VolumePlace
from quantix_hostd.clients.ceph_library import rados, rbd
from quantix_hostd.clients.libvirt import LibvirtClient
from quantix_hostd.volume.recipe import Recipe
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.ceph_pools import FAST
from quantix_lab.fake_status_api import Manifest
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.vm_world import HOST, VmHandle, VmWorld
from quantix_lab.waiting import eventually_async
from quantix_lab.writing_guest import BOOT_SECTOR, numbers_by

_PATIENCE = dict.fromkeys(("rados_osd_op_timeout", "rados_mon_op_timeout", "client_mount_timeout"), "40")
"""Seconds, after which what Ceph does not answer is an error."""


@dataclass
class CephGuests:
    """Guests of real QEMU that count on disks in a real Ceph."""

    world: VmWorld
    host: LibvirtHost
    client: LibvirtClient
    ceph: CephCluster

    async def counting(self, name: str) -> VmHandle:
        """A VM that runs and has written some numbers."""
        volume = await add_volume_in_ceph(self.world, f"{name}-root")
        await asyncio.to_thread(install, self.ceph, volume["metadata"]["uid"])
        vm = self.world.add_vm(name, disks={"root": volume}, gracePeriodSeconds=0)
        await vm.reconcile()
        assert vm.status["phase"] == "Running", vm.status
        await self.counts_on(vm, 0)
        return vm

    async def numbers(self, vm: VmHandle) -> list[int]:
        """As `written`."""
        return await asyncio.to_thread(written, self.ceph, place_of(vm).handle)

    async def newest(self, vm: VmHandle) -> int:
        return max(await self.numbers(vm))

    async def counts_on(self, vm: VmHandle, beyond: int) -> None:
        async def more() -> bool:
            return await self.newest(vm) > beyond

        await eventually_async(f"it to count beyond {beyond}", more, timeout_s=90, interval_s=0.3)

    def pids(self, vm: VmHandle) -> list[int]:
        return self.host.qemu_pids(vm.domain)

    async def stops(self, vm: VmHandle) -> None:
        """Let it be stopped, and wait until it is."""
        vm.change("spec", "powerState", value="Stopped")

        async def off() -> bool:
            await vm.reconcile()
            return bool(vm.status["phase"] == "Stopped")

        await eventually_async("its end", off, timeout_s=60, interval_s=0.1)


def add_fast(world: VmWorld, cluster: CephCluster) -> None:
    """StoragePool `fast`, and the Secret with its key."""
    add_pool(world, cluster, "fast", FAST)


def add_pool(world: VmWorld, cluster: CephCluster, name: str, called: str) -> None:
    """A StoragePool, of what the cluster and its user are `called` there, and the Secret with the key."""
    secret = {"name": f"key-{name}", "namespace": "quantix-system", "uid": f"uid-of-the-secret-of-{name}"}
    key = base64.b64encode(cluster.keys[called].encode()).decode()
    world.api.put({"metadata": secret, "data": {"key": key}})
    reference = {"name": secret["name"]}
    place = {"monitors": cluster.monitors, "pool": called, "user": called, "secretRef": reference}
    world.put(STORAGE_POOLS, name, spec={"rbd": place})


async def add_volume_in_ceph(world: VmWorld, name: str, size: str = "64Mi") -> Manifest:
    """A blank volume, as hostd's volume part leaves it."""
    volume = world.put(VOLUMES, name, "default", spec={"size": size})
    handle = volume["metadata"]["uid"]
    pool = await world.pools.pool("fast")
    await world.disks.make(pool, Recipe(handle, int(size.removesuffix("Mi")) << 20))
    found = {"handle": handle, "pool": "fast", "data": "Present"}
    volume["status"] = found | {"host": HOST, "capacity": size}
    return volume


def place_of(vm: VmHandle) -> VolumePlace:
    """Where its first disk lies."""
    return VolumePlace(CephPool("fast"), vm.root_place.handle)


def claim_of(vm: VmHandle) -> Claim:
    """That of its first disk."""
    claim = vm.world.claims.read(place_of(vm))
    assert claim is not None
    return claim


def install(cluster: CephCluster, handle: str) -> None:
    """Make the disk one that boots the guest that counts (`writing_guest`)."""
    with tempfile.NamedTemporaryFile() as sector:
        sector.write(BOOT_SECTOR)
        sector.flush()
        write = f"write -q -s {sector.name} 0 512"
        name = f"rbd:{FAST}/{handle}:conf={cluster.config}"
        subprocess.run(["qemu-io", "-f", "raw", "-c", write, name], check=True, capture_output=True)


def written(cluster: CephCluster, handle: str, pool: str = FAST) -> list[int]:
    """What it wrote last at each of its turns; QEMU may have the disk open. `handle` may name one of its
    snapshots, behind an @. Raises as Ceph's modules do.
    """
    name, _, snapshot = handle.partition("@")
    found = rados().Rados(conffile=str(cluster.config), conf=_PATIENCE)
    with found as client, client.open_ioctx(pool) as ioctx:
        with rbd().Image(ioctx, name, snapshot or None, read_only=True) as image:
            return numbers_by(image.read)
