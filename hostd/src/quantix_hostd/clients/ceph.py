"""The connections of this process to the Ceph clusters of its pools: one a StoragePool, opened when needed.

Used by `ceph_claims`, `pool_rbd` and the makers of disks through `CephClients`. Everything here blocks, for
some seconds at most (`ceph_connection`): call it from a thread with a deadline (`patience`). What is never
answered all the same is given up with its connection (`open_anew`, docs/adr/0059).
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from quantix_api.errors import QuantixError, TransientError
from quantix_api.message_table_phrases import (
    CALL_GIVEN_UP,
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
from quantix_hostd.clients.ceph_connection import TIMEOUT_S, CephAccess, Connection
from quantix_hostd.clients.ceph_library import BindingMissingError
from quantix_hostd.clients.given_up import Call, this_call
from quantix_hostd.clients.pool_dir import PoolPlaceError

# over which answers are owed for ever
_MOST_OWING = 3
_FULL = {errno.ENOSPC: CEPH_OSD_FULL, errno.EDQUOT: CEPH_QUOTA_USED}


class AnswersOwedError(TransientError):
    """Over as many connections to a pool as may be left behind."""


class CephClients:
    """One for a process. `host` is this one's name, for messages."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._accesses: dict[CephPool, CephAccess] = {}
        self._clients: dict[CephPool, Connection] = {}
        # not used for new calls any more
        self._left: dict[CephPool, list[Connection]] = {}
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
            self._leave(pool)

    def open_anew(self, pool: CephPool) -> TransientError:
        """Leave behind whatever answers are owed over, and use another connection; why those calls are given
        up.

        First the cluster shuts the old ones out: of what comes late over them, an OSD that the new one has
        asked anything since then does nothing. Raises as `opened`, and nothing has changed then;
        AnswersOwedError where as many were left behind as may be.
        """
        with self._lock_of(pool):
            access, left = self.known_access(pool), self._left.get(pool, [])
            owing = [client for client in left if client.calls]
            used = [client for client in [self._clients.get(pool)] if client is not None]
        about = {"host": self.host, "pool": pool.name}
        why = as_error(TransientError, "PoolUnreachable", **about, said=CALL_GIVEN_UP)
        if len(owing) >= _MOST_OWING:
            raise as_error(AnswersOwedError, "PoolUnreachable", **about, connections=len(owing) + len(used))
        new: Connection | None = None
        try:
            new = Connection.opened(access)
            new.supersede([*owing, *used])
        except Exception as error:
            if new is not None:
                new.close()
            raise self._explained(pool, error) from error
        with self._lock_of(pool):
            for client in (*owing, *used):
                client.shut_out = True
                for call in client.calls:
                    call.given_up = why
            # it may have been closed as it was shut out, or the pool forgotten
            if self._clients.get(pool) in used:
                self._leave(pool)
            taken = pool in self._accesses and pool not in self._clients
            if taken:
                self._clients[pool] = new
        if not taken:
            new.close()
        return why

    def _leave(self, pool: CephPool) -> None:
        """Calls of other threads may be on their way in it: it stays open."""
        if pool in self._clients:
            self._left.setdefault(pool, []).append(self._clients.pop(pool))

    def close(self) -> None:
        """Close everything but what owes an answer, which would be waited for: nothing else may be on its way
        any more.
        """
        left = (client for clients in self._left.values() for client in clients)
        for client in (*self._clients.values(), *left):
            if not client.calls:
                client.close()
        self._clients.clear()
        self._left.clear()

    @contextmanager
    def _used(self, pool: CephPool) -> Iterator[Connection]:
        client, call = None, this_call.get() or Call()
        try:
            client = self._client(pool, call)
            yield client
            if call.given_up is not None:
                raise call.given_up
        except QuantixError:
            raise
        except Exception as error:
            if client is not None and _number(error) == errno.ESHUTDOWN:
                self._give_up(pool, client)
            raise self._explained(pool, error) from error
        finally:
            if client is not None:
                self._let_go(pool, client, call)

    def _give_up(self, pool: CephPool, client: Connection) -> None:
        """The next call opens another: what names this client says nothing of its host. Where that is fenced,
        by its address, no other client of it is heard either.
        """
        with self._lock_of(pool):
            client.shut_out = True
            if self._clients.get(pool) is client:
                self._leave(pool)

    def _let_go(self, pool: CephPool, client: Connection, call: Call) -> None:
        with self._lock_of(pool):
            client.calls.remove(call)
            over = client.shut_out and not client.calls
            if over and client in self._left.get(pool, ()):
                self._left[pool].remove(client)
        if over:
            client.close()

    def _client(self, pool: CephPool, call: Call | None = None) -> Connection:
        """The connection of a pool, for a `call` in it. Raises why that was given up."""
        if call is not None and call.given_up is not None:
            raise call.given_up
        with self._lock_of(pool):
            access, client = self.known_access(pool), self._clients.get(pool)
            if client is not None and client.access != access:
                self._leave(pool)
                client = None
            if client is None:
                client = self._clients[pool] = Connection.opened(access)
            if call is not None:
                client.calls.append(call)
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


def _number(error: Exception) -> int | None:
    return None if isinstance(error, BindingMissingError) else getattr(error, "errno", None)


def _said(error: Exception) -> str:
    number = _number(error)
    text = str(error).partition("] ")[2] or str(error)
    if number == errno.ETIMEDOUT:
        text = SILENT.format(seconds=TIMEOUT_S)
    return text.strip().rstrip(".")
