"""What a host says of a pool in a real Ceph, and when it does not use it."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantix_api import StoragePool
from quantix_api.errors import TransientError
from quantix_api.layout import Layout
from quantix_hostd.clients.pool_dir import PoolPlaceError
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.host.model import PoolFacts
from quantix_hostd.host.pool_looks import PoolLooks
from quantix_hostd.pools import HostPools
from quantix_hostd.secret_values import SecretValues
from quantix_hostd.storage_parts import StorageParts
from quantix_lab.ceph_cluster import CephCluster, running_ceph
from quantix_lab.ceph_pools import FAST, add_fast_pool
from quantix_lab.disk_pools import QEMU
from quantix_lab.fake_status_api import FakeStatusApi
from quantix_lab.open_sandbox import OpenSandbox
from quantix_lab.waiting import wait_for


class Host:
    """One that knows StoragePool `fast`."""

    def __init__(self, root: Path, cluster: CephCluster, key: str = "") -> None:
        self.api = FakeStatusApi()
        self.cluster_uid = "cluster-1"
        self.put_key(key or cluster.keys[FAST])
        place = {"monitors": cluster.monitors, "pool": FAST, "user": FAST, "secretRef": {"name": "ceph"}}
        about = {"name": "fast", "uid": "uid-fast"}
        self.manifests: dict[str, dict[str, Any]] = {"fast": {"metadata": about, "spec": {"rbd": place}}}
        self.storage = StorageParts.made(
            "h1", SecretValues(self.api), QemuImg(OpenSandbox()), None, lambda: self.cluster_uid
        )
        self.pools = HostPools(
            self.manifests, {}, "h1", Layout(root), QEMU.files, ceph=self.storage.pools_in_ceph
        )

    def put_key(self, key: str) -> None:
        about = {"name": "ceph", "namespace": "quantix-system", "uid": "uid-ceph"}
        self.api.put({"metadata": about, "data": {"key": base64.b64encode(key.encode()).decode()}})

    @property
    def fast(self) -> StoragePool:
        return StoragePool.parse(self.manifests["fast"])

    async def facts(self) -> PoolFacts:
        (found,), _ = await PoolLooks(self.pools).look()
        return found


@pytest.fixture(scope="module")
def three() -> Iterator[CephCluster]:
    """A Ceph of this module's own, which loses an OSD."""
    with tempfile.TemporaryDirectory(prefix="qx") as directory:
        with running_ceph(Path(directory), osds=3, mgr=True) as cluster:
            add_fast_pool(cluster)
            cluster.await_capacity()
            yield cluster


@pytest.fixture
def host(tmp_path: Path, three: CephCluster) -> Iterator[Host]:
    found = Host(tmp_path, three)
    yield found
    found.storage.clients.close()


async def test_a_pool_tells_its_room(host: Host) -> None:
    found = await host.facts()
    assert (found.problem, found.degraded) == ("", "")
    assert 0 < found.available_bytes <= found.capacity_bytes < 20 << 30


async def test_what_is_wrong_with_the_key_is_told_and_a_corrected_one_is_read(
    host: Host, three: CephCluster
) -> None:
    other = three.ceph("auth", "print-key", "client.admin")
    host.put_key(other)

    found = await host.facts()

    assert found.reason == "CredentialsRefused"
    assert found.problem == (f"{three.monitors[0]} refused the user and key. Try: correct Secret ceph.")
    with pytest.raises(TransientError) as refused:
        await host.pools.pool("fast")
    assert refused.value.reason == "PoolUnreachable"
    host.put_key(three.keys[FAST])
    assert (await host.facts()).problem == ""


async def test_a_pool_that_ceph_has_not_is_told(host: Host) -> None:
    host.manifests["fast"]["spec"]["rbd"]["pool"] = "missing"
    assert (await host.facts()).problem == (
        "h1 does not reach pool fast. Said: there is no pool missing in the cluster. "
        "Try: bring the pool back; it goes on by itself."
    )


async def test_the_pool_of_another_cluster_is_not_used(host: Host) -> None:
    await host.pools.pool("fast")
    other = replace(host.pools, opened=set())
    host.cluster_uid = "cluster-2"
    with pytest.raises(TransientError) as foreign:
        await other.pool("fast")
    assert "it carries the mark of another Quantix cluster, cluster-1" in foreign.value.message
    assert not isinstance(foreign.value, PoolPlaceError)


@pytest.mark.parametrize("connected", [False, True])
async def test_a_pool_whose_monitors_are_silent_is_told_and_found_again(
    host: Host, three: CephCluster, *, connected: bool
) -> None:
    if connected:
        assert (await host.facts()).problem == ""
    three.mon.freeze()
    try:
        assert "no answer within 5 s" in (await host.facts()).problem
    finally:
        three.mon.thaw()
    assert (await host.facts()).problem == ""


async def test_a_pool_that_has_lost_an_osd_says_so_and_is_used(host: Host, three: CephCluster) -> None:
    pool = await host.pools.pool("fast")
    assert isinstance(pool, PoolRbd)
    three.osds[2].kill()

    wait_for("Ceph to miss it", lambda: ("osd" in pool.health(), pool.health()), 60)

    found = await host.facts()
    assert found.problem == ""
    assert "1 osds down" in found.degraded
    three.osds[2].start()
    wait_for("Ceph to be whole again", lambda: (not pool.health(), pool.health()), 60)
