"""Clients of a real Ceph that are shut out: which those are, and how a hostd goes on that is one of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.clients.ceph import CephClients
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.rbd_import import create_blank
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.ceph_pools import clients_of
from quantix_lab.disk_pools import pool_at

_GOES_ON_S = 30.0


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
