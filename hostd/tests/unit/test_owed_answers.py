"""What becomes of a pool in Ceph, and of who waits for it, when a call into it is never answered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quantix_api.errors import TransientError
from quantix_api.layout import Layout
from quantix_hostd.ceph_pools import CephPools
from quantix_hostd.claims import CephPool
from quantix_hostd.clients.ceph import CephClients
from quantix_hostd.clients.ceph_connection import CephAccess
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.patience import PatientThreads
from quantix_hostd.pools import HostPools, Scan
from quantix_hostd.secret_values import SecretValues
from quantix_hostd.thread_calls import to_the_end
from quantix_lab.clusters_in_memory import Clusters, clusters_in_memory
from quantix_lab.fake_status_api import FakeStatusApi
from quantix_lab.waiting import eventually_async

FAST = CephPool("fast")


class Host:
    """Has one pool, and waits a tenth of a second for an answer, and three for one that is owed."""

    def __init__(self, root: Path) -> None:
        self.clients = CephClients("h1")
        self.clients.learn(FAST, CephAccess(("192.0.2.1",), "quantix", "hosts", "a key"))
        ceph = CephPools(self.clients, SecretValues(FakeStatusApi()), lambda: "cluster-1", owed_s=0.3)
        threads = PatientThreads(patience_s=0.1)
        self.pools = HostPools({}, {}, "h1", Layout(root), FileOwner.current(), ceph=ceph, threads=threads)
        self.pool = self.pools.in_ceph("fast")
        self.never, self.begun = threading.Event(), threading.Event()

    def owes(self) -> None:
        """A call that is never answered."""
        with self.clients.opened(FAST):
            self.begun.set()
            self.never.wait(20)

    def answers(self) -> str:
        with self.clients.opened(FAST) as ioctx:
            return str(ioctx.cluster.address)

    async def said(self) -> str:
        """What came of a call that would be answered."""
        try:
            return await self.pools.ask(self.pool, self.answers)
        except TransientError as error:
            return error.message

    async def is_told(self, said: str) -> bool:
        return said in await self.said()


@pytest.fixture
def clusters(monkeypatch: pytest.MonkeyPatch) -> Clusters:
    return clusters_in_memory(monkeypatch)


@pytest.fixture
def host(clusters: Clusters, tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    yield made
    made.never.set()


async def owe(host: Host) -> None:
    with pytest.raises(TransientError, match="no answer within"):
        await host.pools.ask(host.pool, host.owes)


async def test_the_pool_is_reached_again_over_another_connection(host: Host, clusters: Clusters) -> None:
    await owe(host)
    assert "an earlier call has not been answered" in await host.said()
    await eventually_async("it answers", lambda: host.is_told(clusters.opened[-1].address), interval_s=0.05)
    assert len(clusters.opened) == 2
    assert clusters.shut_out == [clusters.opened[0].address]


async def test_while_ceph_is_away_it_goes_on_waiting(host: Host, clusters: Clusters) -> None:
    clusters.silent = "mon_command"
    await owe(host)
    await eventually_async("another was tried", lambda: _asks(host, lambda: len(clusters.opened) > 2))
    assert "an earlier call has not been answered" in await host.said()
    assert [cluster.open for cluster in clusters.opened[1:]] == [False] * (len(clusters.opened) - 1)
    clusters.silent = ""
    await eventually_async("it answers", lambda: host.is_told(clusters.opened[-1].address), interval_s=0.05)


async def _asks(host: Host, holds: Callable[[], bool]) -> bool:
    await host.said()
    return holds()


async def test_where_each_connection_falls_silent_hostd_asks_to_be_started_anew(
    host: Host, clusters: Clusters
) -> None:
    for number in range(4):
        await eventually_async("it is asked", lambda: host.is_told("192.0.2.9"), interval_s=0.05)
        assert len(clusters.opened) == number + 1
        await owe(host)
    told = "h1 gets no answers from pool fast: over 4 connections to Ceph calls were never answered"
    await eventually_async("it says so", lambda: host.is_told(told), interval_s=0.05)
    host.never.set()
    await eventually_async("it answers", lambda: host.is_told("192.0.2.9"), interval_s=0.05)


async def test_a_scan_that_is_given_up_is_made_again(host: Host, clusters: Clusters) -> None:
    host.pools = HostPools(**{**vars(host.pools), "scan_s": 0.1})
    with pytest.raises(TransientError, match="no answer within"):
        await host.pools.scan(host.pool, Scan.IMAGES, host.owes)

    async def scanned() -> bool:
        try:
            return "192.0.2.9" in await host.pools.scan(host.pool, Scan.IMAGES, host.answers)
        except TransientError:
            return False

    await eventually_async("it is made", scanned, interval_s=0.05)
    assert len(clusters.opened) == 2


async def test_who_waits_for_a_call_to_its_end_waits_no_longer_than_until_it_is_given_up(host: Host) -> None:
    waiting = asyncio.create_task(to_the_end(lambda _: host.owes()))
    await asyncio.to_thread(host.begun.wait, 10)
    why = await asyncio.to_thread(host.clients.open_anew, FAST)
    with pytest.raises(TransientError) as given_up:
        await waiting
    assert given_up.value is why
    host.never.set()


async def test_so_does_who_was_cancelled_meanwhile(host: Host) -> None:
    waiting = asyncio.create_task(to_the_end(lambda _: host.owes()))
    await asyncio.to_thread(host.begun.wait, 10)
    waiting.cancel()
    await asyncio.wait({waiting}, timeout=0.2)
    assert not waiting.done(), "it would do its work beside what clears up"
    await asyncio.to_thread(host.clients.open_anew, FAST)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    host.never.set()
