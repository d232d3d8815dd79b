"""Clients of a real Ceph that are shut out: which those are, how a hostd goes on that is one of them, and how
it leaves one of its own behind over which an answer is owed.
"""

from __future__ import annotations

import asyncio
import errno
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.claims import CephPool, new_claim
from quantix_hostd.clients.ceph import CephClients
from quantix_hostd.clients.ceph_claims import CephClaimStore
from quantix_hostd.clients.ceph_library import rados, rbd
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.rbd_import import create_blank
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.ceph_pools import clients_of
from quantix_lab.disk_pools import pool_at

_GOES_ON_S = 30.0
FAST = CephPool("fast")


@pytest.fixture
def clients(ceph_cluster: CephCluster) -> Iterator[tuple[CephClients, CephClients]]:
    """Those of two hosts, which have one address here."""
    made = clients_of(ceph_cluster, "h1"), clients_of(ceph_cluster, "h2")
    yield made
    for one in made:
        one.close()


async def test_a_hostd_whose_client_was_shut_out_goes_on_by_another(
    clients: tuple[CephClients, CephClients], tmp_path: Path
) -> None:
    staging, handle = pool_at(tmp_path / "staging", "fast"), str(uuid4())
    releases, taken = (PoolRbd("fast", "h1", one, staging) for one in clients)
    create_blank(releases, handle, 16 << 20)

    def has_it_open() -> None:
        with taken.editing(handle) as image:
            assert releases.shut_out_left(handle) == 1
            # an OSD knows of it as soon as it is asked by who does
            assert releases.disk(handle) is not None
            image.write(b"late", 0)

    with pytest.raises(TransientError) as refused:
        await asyncio.to_thread(has_it_open)
    assert "shut this host's client out" in refused.value.message
    began_s = time.monotonic()
    with taken.editing(handle) as image:
        assert image.read(0, 4) == bytes(4)
        image.write(b"next", 0)
    assert time.monotonic() - began_s < _GOES_ON_S
    assert releases.shut_out_left(handle) == 0
    assert releases.remove_volume(handle)


async def test_what_comes_late_over_a_connection_that_was_left_behind_is_not_done(
    clients: tuple[CephClients, CephClients], tmp_path: Path
) -> None:
    one, other = clients
    pool = PoolRbd("fast", "h1", one, pool_at(tmp_path / "staging", "fast"))
    begun, answered = threading.Event(), threading.Event()
    handle, name = str(uuid4()), f"late.{uuid4()}"
    place, store = pool.place(handle), CephClaimStore(one)
    create_blank(pool, handle, 16 << 20)
    store.create(place, new_claim("c1"))

    def owed() -> None:
        with one.opened(FAST) as ioctx, pool.editing(handle) as image:
            begun.set()
            assert answered.wait(60)
            with pytest.raises(rbd().OSError) as refused:
                image.write(b"late", 0)
            assert refused.value.errno == errno.ESHUTDOWN
            with pytest.raises(rados().OSError) as refused:
                ioctx.write_full(name, b"late")
            assert refused.value.errno == errno.ESHUTDOWN
            ioctx.remove_object(f"quantix.claim.{handle}")

    waiting = asyncio.create_task(asyncio.to_thread(owed))
    await asyncio.to_thread(begun.wait, 60)
    await asyncio.to_thread(one.open_anew, FAST)
    held = replace(new_claim("c1"), floor=3)
    await asyncio.to_thread(store.compare_and_set, place, new_claim("c1"), held)
    answered.set()
    with pytest.raises(TransientError, match="shut this host's client out"):
        await waiting
    assert CephClaimStore(other).read(place) == held
    with pool.editing(handle) as image:
        assert image.read(0, 4) == bytes(4)
    with other.opened(FAST) as ioctx, pytest.raises(rados().ObjectNotFound):
        ioctx.stat(name)
    assert pool.remove_volume(handle)


async def test_while_no_osd_answers_no_connection_is_left_behind(
    ceph_cluster: CephCluster, clients: tuple[CephClients, CephClients]
) -> None:
    one, _ = clients
    with one.opened(FAST):
        before = ceph_cluster.ceph("osd", "blocklist", "ls")
        ceph_cluster.osds[0].freeze()
        try:
            with pytest.raises(TransientError, match="no answer within"):
                await asyncio.to_thread(one.open_anew, FAST)
        finally:
            ceph_cluster.thaw_osd()
        assert ceph_cluster.ceph("osd", "blocklist", "ls") == before
