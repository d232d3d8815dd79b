"""The connections of a process to Ceph: when another is opened, and when one is closed."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.claims import CephPool
from quantix_hostd.clients import ceph
from quantix_hostd.clients.ceph import CephAccess, CephClients

FAST = CephPool("fast")


class ShutOutError(Exception):
    """As librados raises it."""

    errno = errno.ESHUTDOWN


class Clusters:
    """Those that were opened."""

    def __init__(self) -> None:
        self.opened: list[Cluster] = []

    def __call__(self, **_: object) -> Cluster:
        self.opened.append(Cluster())
        return self.opened[-1]


class Cluster:
    """A connection, which is its own pool."""

    def __init__(self) -> None:
        self.open = True

    def connect(self) -> None:
        """Somebody listens."""

    def open_ioctx(self, _: str) -> Any:
        return SimpleNamespace(set_osdmap_full_try=lambda: None, close=lambda: None, cluster=self)

    def shutdown(self) -> None:
        assert self.open, "it is closed once"
        self.open = False


@pytest.fixture
def clusters(monkeypatch: pytest.MonkeyPatch) -> Clusters:
    made = Clusters()
    monkeypatch.setattr(ceph, "rados", lambda: SimpleNamespace(Rados=made))
    return made


@pytest.fixture
def clients(clusters: Clusters) -> CephClients:
    made = CephClients("h1")
    made.learn(FAST, CephAccess(("192.0.2.1",), "quantix", "hosts", "a key"))
    return made


def shut_out(clients: CephClients) -> TransientError:
    with pytest.raises(TransientError) as refused, clients.opened(FAST):
        raise ShutOutError
    return refused.value


def test_one_connection_serves_all_calls(clients: CephClients, clusters: Clusters) -> None:
    with clients.opened(FAST) as ioctx, clients.monitored(FAST) as cluster:
        assert ioctx.cluster is cluster
    with pytest.raises(TransientError), clients.opened(FAST):
        raise OSError(errno.ETIMEDOUT, "timed out")
    with clients.opened(FAST):
        pass
    assert len(clusters.opened) == 1


def test_one_that_the_cluster_has_shut_out_is_closed_and_another_is_opened(
    clients: CephClients, clusters: Clusters
) -> None:
    assert "shut this host's client out" in shut_out(clients).message
    with clients.opened(FAST) as ioctx:
        assert ioctx.cluster is clusters.opened[1]
    assert [cluster.open for cluster in clusters.opened] == [False, True]
    clients.close()
    assert not any(cluster.open for cluster in clusters.opened)


def test_it_is_closed_by_the_last_that_uses_it(clients: CephClients, clusters: Clusters) -> None:
    with clients.opened(FAST):
        shut_out(clients)
        shut_out(clients)
        assert [cluster.open for cluster in clusters.opened] == [True, False]
    assert not any(cluster.open for cluster in clusters.opened)


def test_one_of_a_pool_that_is_used_no_more_is_closed_once(clients: CephClients, clusters: Clusters) -> None:
    def meanwhile() -> None:
        with clients.opened(FAST):
            clients.forget(FAST)
            raise ShutOutError

    with pytest.raises(TransientError):
        meanwhile()
    assert [cluster.open for cluster in clusters.opened] == [False]
    clients.close()
    assert not any(cluster.open for cluster in clusters.opened)
