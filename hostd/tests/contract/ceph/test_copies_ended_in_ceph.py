"""Copies in a real Ceph that nobody wants any more: they end soon, and nothing of them is left."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest

from quantix_hostd.clients.ceph import CephClients
from quantix_hostd.clients.ceph_claims import CephClaimStore
from quantix_hostd.clients.ceph_state import CephStateObjects
from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.clients.claims_by_kind import ClaimsByKind
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.rbd_import import RbdImport
from quantix_hostd.clients.state_store import StateByKind, StateFiles
from quantix_hostd.volume.rbd_disk import RbdDiskMaker
from quantix_hostd.volume.recipe import Base, Origin, Recipe
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.ceph_pools import FAST, clients_of
from quantix_lab.disk_pools import pool_at
from quantix_lab.waiting import eventually_async

MIB, GIB = 1 << 20, 1 << 30
# a flattening of so much takes minutes, and a client that was killed is known for half a minute
_SOON_S = 20.0


@pytest.fixture
def pool(ceph_cluster: CephCluster, tmp_path: Path) -> Iterator[PoolRbd]:
    clients: CephClients = clients_of(ceph_cluster, "h1")
    yield PoolRbd("fast", "h1", clients, pool_at(tmp_path / "staging", "fast"))
    clients.close()


@pytest.fixture
def disks(pool: PoolRbd) -> RbdDiskMaker:
    claims = ClaimsByKind(LocalClaimStore(), CephClaimStore(pool.ceph))
    states = StateByKind(StateFiles(), CephStateObjects(pool.ceph))
    return RbdDiskMaker(cast(RbdImport, None), claims, states, "cluster-1", lambda _: pool)


def of(handle: str, cluster: CephCluster) -> list[str]:
    return [name for name in cluster.rbd("ls", FAST).split() if handle in name]


async def ends(making: asyncio.Task[bool]) -> None:
    """Cancel it: it ends soon."""
    began_s = time.monotonic()
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert time.monotonic() - began_s < _SOON_S


async def test_a_copy_of_an_image_ends_in_the_midst_of_it(
    disks: RbdDiskMaker, pool: PoolRbd, ceph_cluster: CephCluster
) -> None:
    image, handle = str(uuid4()), str(uuid4())
    ceph_cluster.rbd("create", "--size", "512G", f"{FAST}/image.{image}")
    ceph_cluster.rbd("snap", "create", f"{FAST}/image.{image}@base")
    recipe = Recipe(handle, 0, Base(image, "raw", 512 * GIB), full_copy=True)
    making = asyncio.create_task(disks.make(pool, recipe))
    await eventually_async("its draft", lambda: of(handle, ceph_cluster) != [], interval_s=0.3)
    await asyncio.sleep(1)
    assert not making.done()
    await ends(making)
    assert of(handle, ceph_cluster) == []
    assert pool.remove_image(image)


async def test_a_copy_of_a_volume_ends_in_the_midst_of_it(
    disks: RbdDiskMaker, pool: PoolRbd, ceph_cluster: CephCluster
) -> None:
    first, second = str(uuid4()), str(uuid4())
    await disks.make(pool, Recipe(first, 512 * MIB))
    name = f"rbd:{FAST}/{first}:conf={ceph_cluster.config}"
    write = ["qemu-io", "-f", "raw", "-c", "write -P 7 0 512M", name]
    await asyncio.to_thread(subprocess.run, write, check=True, capture_output=True, timeout=120)
    origin = Origin("default/data", first, pool.place(first), 512 * MIB)
    making = asyncio.create_task(disks.make(pool, Recipe(second, 0, origin=origin)))

    async def is_written() -> bool:
        return await asyncio.to_thread(pool.drafted_bytes, second) > 0

    await eventually_async("what it writes", is_written, interval_s=0.3)
    assert not making.done()
    await ends(making)
    assert of(second, ceph_cluster) == []
    assert ceph_cluster.rbd("snap", "ls", f"{FAST}/{first}") == ""
    # as a release does; else the program that was killed counts as its user for half a minute
    assert pool.shut_out_left(first) <= 1
    assert pool.remove_volume(first)
