"""The connections of a process to Ceph: when one is opened, closed, and given up."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.claims import CephPool
from quantix_hostd.clients.ceph import AnswersOwedError, CephClients
from quantix_hostd.clients.ceph_connection import CephAccess
from quantix_hostd.clients.given_up import Call, this_call
from quantix_lab.clusters_in_memory import Clusters, clusters_in_memory

FAST = CephPool("fast")


class ShutOutError(Exception):
    """As librados raises it."""

    errno = errno.ESHUTDOWN


@pytest.fixture
def clusters(monkeypatch: pytest.MonkeyPatch) -> Clusters:
    return clusters_in_memory(monkeypatch)


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


class Owed:
    """A call in a connection, which is answered late."""

    def __init__(self, clients: CephClients) -> None:
        self.mark = Call()
        self.error: TransientError | None = None
        self._clients = clients
        self._begun, self._answer = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._begun.wait(10)

    def _run(self) -> None:
        this_call.set(self.mark)
        try:
            with self._clients.opened(FAST):
                self._begun.set()
                self._answer.wait(20)
        except TransientError as error:
            self.error = error

    def end(self) -> None:
        self._answer.set()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def owe(clients: CephClients) -> Iterator[Callable[[], Owed]]:
    made: list[Owed] = []

    def begin() -> Owed:
        made.append(Owed(clients))
        return made[-1]

    yield begin
    for owed in made:
        owed.end()


def test_one_over_which_an_answer_is_owed_is_shut_out_and_another_is_used(
    clients: CephClients, clusters: Clusters, owe: Callable[[], Owed]
) -> None:
    owed = owe()
    why = clients.open_anew(FAST)
    assert clusters.shut_out == [clusters.opened[0].address]
    assert owed.mark.given_up is why
    with clients.opened(FAST) as ioctx:
        assert ioctx.cluster is clusters.opened[1]
    clients.close()
    assert [cluster.open for cluster in clusters.opened] == [True, False], "closing it would take for ever"
    owed.end()
    assert [cluster.open for cluster in clusters.opened] == [False, False], "the last that uses it closes it"


def test_a_call_that_was_given_up_fails_when_it_is_answered_and_reaches_no_other_connection(
    clients: CephClients, clusters: Clusters, owe: Callable[[], Owed]
) -> None:
    owed = owe()
    why = clients.open_anew(FAST)
    owed.end()
    assert owed.error is why, "what it found out then is not gone on with"

    def goes_on() -> None:
        this_call.set(owed.mark)
        with pytest.raises(TransientError) as refused, clients.opened(FAST):
            pytest.fail("it may do nothing more")
        assert refused.value is why

    threading.Thread(target=goes_on).run()
    this_call.set(None)


@pytest.mark.parametrize("silent", ["connect", "stat", "mon_command"])
def test_while_ceph_is_away_nothing_is_left_behind(
    clients: CephClients, clusters: Clusters, owe: Callable[[], Owed], silent: str
) -> None:
    owed = owe()
    clusters.silent = silent
    with pytest.raises(TransientError):
        clients.open_anew(FAST)
    assert owed.mark.given_up is None
    with clients.opened(FAST) as ioctx:
        assert ioctx.cluster is clusters.opened[0]
    assert [cluster.open for cluster in clusters.opened] == [True, False]


def test_one_that_is_not_used_any_more_is_shut_out_too(
    clients: CephClients, clusters: Clusters, owe: Callable[[], Owed]
) -> None:
    owed = owe()
    clients.learn(FAST, CephAccess(("192.0.2.1",), "quantix", "hosts", "another key"))
    with clients.opened(FAST):
        pass
    why = clients.open_anew(FAST)
    assert set(clusters.shut_out) == {cluster.address for cluster in clusters.opened[:2]}
    assert owed.mark.given_up is why


def test_only_some_are_left_behind(clients: CephClients, clusters: Clusters, owe: Callable[[], Owed]) -> None:
    owing = [owe()]
    for _ in range(3):
        clients.open_anew(FAST)
        owing.append(owe())
    with pytest.raises(AnswersOwedError, match="over 4 connections to Ceph calls were never answered"):
        clients.open_anew(FAST)
    owing[0].end()
    clients.open_anew(FAST)
    assert len(clusters.opened) == 5
