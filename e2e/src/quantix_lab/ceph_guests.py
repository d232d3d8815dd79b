"""VMs of a world whose disks lie in a real Ceph, and what their guests wrote there."""

from __future__ import annotations

import base64
import subprocess
import tempfile
from pathlib import Path

from quantix_api.resources import STORAGE_POOLS, VOLUMES
from quantix_hostd.claims import CephPool, Claim, VolumePlace
from quantix_hostd.volume.recipe import Recipe
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.ceph_pools import FAST
from quantix_lab.fake_status_api import Manifest
from quantix_lab.vm_world import HOST, VmHandle, VmWorld
from quantix_lab.writing_guest import BOOT_SECTOR, numbers_in


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
    """What it wrote last at each of its turns; QEMU may have the disk open."""
    with tempfile.TemporaryDirectory() as directory:
        raw = Path(directory) / "seen"
        cluster.rbd("export", "--no-progress", f"{pool}/{handle}", str(raw))
        return numbers_in(raw.read_bytes())
