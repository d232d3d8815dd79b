"""The connections of this process to the Ceph clusters of its pools: one a StoragePool, opened when needed.

Used by `ceph_claims`, `pool_rbd` and the makers of disks through `CephClients`. Everything here blocks, for
some seconds at most (the timeouts below): call it from a thread with a deadline (`patience`). They are this
daemon's only: QEMU waits for as long as it takes. Options: docs.ceph.com, "Ceph Client Config Reference".

Where a pool is full, clients hold their writes back, also those that remove. This daemon's are sent all the
same (librados, `rados_set_osdmap_full_try`): what takes no more room is done, so that volumes are removed and
claims change hands, and all else is refused at once.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from quantix_api.errors import QuantixError, TransientError
from quantix_api.message_table_phrases import (
    CEPH_KEY_REFUSED,
    CEPH_OSD_FULL,
    CEPH_POOL_MISSING,
    CEPH_QUOTA_USED,
    CEPH_SHUT_OUT,
    CEPH_UNKNOWN,
    SILENT,
)
from quantix_api.messages import as_error
from quantix_hostd.claims import CephPool
from quantix_hostd.clients.ceph_library import BindingMissingError, rados
from quantix_hostd.clients.pool_dir import PoolPlaceError

_TIMEOUT_S = 5
_OPTIONS = {
    "rados_osd_op_timeout": str(_TIMEOUT_S),
    "rados_mon_op_timeout": str(_TIMEOUT_S),
    "client_mount_timeout": str(_TIMEOUT_S),
    # of a cluster that is away the first that answers counts
    "mon_client_hunt_interval": "1",
    "rbd_cache": "false",
    # two threads a connection are enough for what is asked here
    "ms_async_op_threads": "2",
    # One runs whatever comes back. Beside a second one, an image may be closed and freed while what opened it
    # is about to take a lock in it (librbd 16.2, ImageState): a call that is never answered, or a broken heap
    "librados_thread_count": "1",
    "log_file": "",
    "log_to_stderr": "false",
    "err_to_stderr": "false",
    "admin_socket": "",
    "auth_client_required": "cephx",
}


_FULL = {errno.ENOSPC: CEPH_OSD_FULL, errno.EDQUOT: CEPH_QUOTA_USED}


@dataclass(frozen=True)
class CephAccess:
    """Where a pool is, and as whom: as its StoragePool says it. `secret`: the name of what holds the key."""

    monitors: tuple[str, ...]
    pool: str
    user: str
    key: str = field(repr=False)
    secret: str = ""

    @property
    def addresses(self) -> str:
        """Of the monitors, as Ceph's own options list them."""
        return ",".join(self.monitors)


@dataclass(eq=False)
class _Client:
    """A connection. `users`: the calls under way in it. `shut_out`: the cluster takes nothing from it any
    more, so that the last of them closes it.
    """

    access: CephAccess
    cluster: Any
    ioctx: Any
    users: int = 0
    shut_out: bool = False

    def close(self) -> None:
        self.ioctx.close()
        self.cluster.shutdown()


class CephClients:
    """One for a process. `host` is this one's name, for messages."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._accesses: dict[CephPool, CephAccess] = {}
        self._clients: dict[CephPool, _Client] = {}
        self._left: list[_Client] = []
        # of each pool: two threads must not open it at once
        self._locks: dict[CephPool, threading.Lock] = {}
        self._lock = threading.Lock()

    def learn(self, pool: CephPool, access: CephAccess) -> None:
        """Use the pool like that from now on."""
        self._accesses[pool] = access

    def access(self, pool: CephPool) -> CephAccess | None:
        """How the pool is used, None while that is not known."""
        return self._accesses.get(pool)

    def known_access(self, pool: CephPool) -> CephAccess:
        """The same. Raises TransientError (PoolUnreachable) while it is not known."""
        access = self._accesses.get(pool)
        if access is None:
            about = {"host": self.host, "pool": pool.name}
            raise as_error(TransientError, "PoolUnreachable", **about, said=CEPH_UNKNOWN)
        return access

    @contextmanager
    def opened(self, pool: CephPool) -> Iterator[Any]:
        """The pool, for calls of librados and librbd. Raises TransientError (PoolUnreachable, PoolFull) for
        whatever these raise inside that the caller does not take care of.
        """
        with self._used(pool) as client:
            yield client.ioctx

    @contextmanager
    def monitored(self, pool: CephPool) -> Iterator[Any]:
        """The same for questions to the cluster's monitors."""
        with self._used(pool) as client:
            yield client.cluster

    def check(self, pool: CephPool) -> None:
        """Raises PoolPlaceError (CredentialsRefused) where the cluster does not take user and key, else as
        `opened`.
        """
        try:
            self._client(pool)
        except QuantixError:
            raise
        except Exception as error:
            access = self._accesses[pool]
            if _number(error) in (errno.EACCES, errno.EPERM, errno.EINVAL):
                about = {"server": access.addresses, "secret": access.secret}
                raise as_error(PoolPlaceError, "CredentialsRefused", **about) from error
            raise self._explained(pool, error) from error

    def forget(self, pool: CephPool) -> None:
        """Make no more use of a pool."""
        with self._lock_of(pool):
            self._accesses.pop(pool, None)
            if pool in self._clients:
                self._left.append(self._clients.pop(pool))

    def close(self) -> None:
        """Close everything: nothing may be on its way any more."""
        for client in (*self._clients.values(), *self._left):
            client.close()
        self._clients.clear()
        self._left.clear()

    @contextmanager
    def _used(self, pool: CephPool) -> Iterator[_Client]:
        client: _Client | None = None
        try:
            client = self._client(pool, users=1)
            yield client
        except QuantixError:
            raise
        except Exception as error:
            if client is not None and _number(error) == errno.ESHUTDOWN:
                self._give_up(pool, client)
            raise self._explained(pool, error) from error
        finally:
            if client is not None:
                self._let_go(pool, client)

    def _give_up(self, pool: CephPool, client: _Client) -> None:
        """The next call opens another: what names this client says nothing of its host. Where that is fenced,
        by its address, no other client of it is heard either.
        """
        with self._lock_of(pool):
            client.shut_out = True
            if self._clients.get(pool) is client:
                del self._clients[pool]

    def _let_go(self, pool: CephPool, client: _Client) -> None:
        with self._lock_of(pool):
            client.users -= 1
            over = client.shut_out and client.users == 0
            if over and client in self._left:
                self._left.remove(client)
        if over:
            client.close()

    def _client(self, pool: CephPool, users: int = 0) -> _Client:
        """The connection of a pool, with so many `users` more."""
        with self._lock_of(pool):
            access, client = self.known_access(pool), self._clients.get(pool)
            if client is not None and client.access != access:
                # calls of other threads may be on their way in it: it stays open
                self._left.append(self._clients.pop(pool))
                client = None
            if client is None:
                client = self._clients[pool] = _open(access)
            client.users += users
            return client

    def _lock_of(self, pool: CephPool) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(pool, threading.Lock())

    def _explained(self, pool: CephPool, error: Exception) -> TransientError:
        number = _number(error)
        if number in _FULL:
            return as_error(TransientError, "PoolFull", pool=pool.name, full=_FULL[number])
        return as_error(
            TransientError, "PoolUnreachable", host=self.host, pool=pool.name, said=self._words(pool, error)
        )

    def _words(self, pool: CephPool, error: Exception) -> str:
        access = self._accesses.get(pool)
        match _number(error):
            case errno.ESHUTDOWN:
                return CEPH_SHUT_OUT
            case errno.EACCES | errno.EPERM if access is not None:
                return CEPH_KEY_REFUSED.format(user=access.user, secret=access.secret)
            case errno.ENOENT if access is not None:
                return CEPH_POOL_MISSING.format(pool=access.pool)
        return _said(error)


def _open(access: CephAccess) -> _Client:
    options = {**_OPTIONS, "mon_host": access.addresses, "key": access.key}
    cluster = rados().Rados(rados_id=access.user, conf=options)
    try:
        cluster.connect()
        ioctx = cluster.open_ioctx(access.pool)
        ioctx.set_osdmap_full_try()
    except BaseException:
        cluster.shutdown()
        raise
    return _Client(access, cluster, ioctx)


def _number(error: Exception) -> int | None:
    return None if isinstance(error, BindingMissingError) else getattr(error, "errno", None)


def _said(error: Exception) -> str:
    number = _number(error)
    text = str(error).partition("] ")[2] or str(error)
    if number == errno.ETIMEDOUT:
        text = SILENT.format(seconds=_TIMEOUT_S)
    return text.strip().rstrip(".")
