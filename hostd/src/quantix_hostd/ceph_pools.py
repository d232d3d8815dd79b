"""Opens the pools in Ceph for this host: as their StoragePools say, with the key that a Secret holds.

A part of `pools`. The key, one for all hosts or this host's own, is kept in memory only; a host whose API is
away when hostd starts reaches its pools in Ceph once that is back, and its guests go on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Hashable
from contextvars import Context
from dataclasses import dataclass, field, replace

import structlog

from quantix_api import StoragePool
from quantix_api.errors import QuantixError, TransientError
from quantix_api.message_table_phrases import CEPH_NAMESPACE, CEPH_NO_MONITOR, CEPH_UNKNOWN
from quantix_api.messages import as_error
from quantix_hostd.claims import CephPool
from quantix_hostd.clients.ceph import AnswersOwedError, CephClients
from quantix_hostd.clients.ceph_connection import CephAccess
from quantix_hostd.clients.patience import PatientThreads, SilentPlaceError
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.secret_values import SecretKey, SecretValues

# many times what a call may take (`ceph_connection`, `patience`): removing a large volume may take as long
_OWED_S = 120.0
# connecting, and the answers of an OSD and of the monitors
_OPENING_S = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class CephPools:
    """One for a process. `cluster_uid` is "" while it is not known yet. `refused`: the pools whose key was
    not taken, so that it is read again. `opening`: those to which another connection is opened, since
    answers were owed for `owed_s`; `owed`: those of which too many were.
    """

    clients: CephClients
    secrets: SecretValues
    cluster_uid: Callable[[], str]
    refused: set[str] = field(default_factory=set)
    opening: dict[CephPool, asyncio.Task[None]] = field(default_factory=dict)
    owed: dict[CephPool, AnswersOwedError] = field(default_factory=dict)
    owed_s: float = _OWED_S

    def pool(self, name: str, staging: PoolDir) -> PoolRbd:
        """The pool of the StoragePool with this name."""
        return PoolRbd(name, staging.host, self.clients, staging)

    async def learn(self, pool: StoragePool) -> None:
        """Know from now on where the pool is, and the key with which this host comes to it.

        Raises TransientError (PoolUnreachable) where it names a namespace or no monitor, and as
        `SecretValues.read`.
        """
        place, name = pool.spec.rbd, pool.metadata.name
        assert place is not None
        if place.namespace:
            # libvirt 9.0 takes it for a part of the image's name
            raise self._unusable(name, CEPH_NAMESPACE)
        if not place.monitors:
            raise self._unusable(name, CEPH_NO_MONITOR)
        account = place.account(name, self.clients.host)
        known = self.clients.access(CephPool(name))
        key = known.key if known is not None else ""
        wanted = CephAccess(place.monitors, place.pool, account.user, key, account.secret)
        if known == wanted and name not in self.refused:
            return
        about = {"pool": name, "namespace": account.namespace}
        secret = SecretKey(account.namespace, account.secret, account.member, about)
        key = (await self.secrets.read(secret)).decode(errors="replace").strip()
        self.clients.learn(CephPool(name), replace(wanted, key=key))

    def open(self, pool: PoolRbd) -> None:
        """See that the pool can be used, and is this cluster's. Blocks; raises TransientError
        (PoolUnreachable), as PoolPlaceError where what is wrong is for the pool's own Ready.
        """
        cluster_uid = self.cluster_uid()
        if not cluster_uid:
            raise self._unusable(pool.name, CEPH_UNKNOWN)
        self.refused.add(pool.name)
        self.clients.check(pool.key)
        self.refused.discard(pool.name)
        pool.mark(cluster_uid)

    def fell_silent(
        self, pool: CephPool, threads: PatientThreads, places: Collection[Hashable]
    ) -> AnswersOwedError | None:
        """Told of each call into a pool that got no answer; the `places` of `threads` are that pool. Has
        another connection opened once they owe one for minutes. That it is no use any more, where it is not.
        """
        if threads.late_for_s(places) < self.owed_s:
            return None
        if pool not in self.opening:
            # nobody's work: who asked next is none of its business
            opening = asyncio.create_task(self._open_anew(pool, threads, places), context=Context())
            self.opening[pool] = opening
            opening.add_done_callback(lambda _: self.opening.pop(pool, None))
        return self.owed.get(pool)

    async def _open_anew(self, pool: CephPool, threads: PatientThreads, places: Collection[Hashable]) -> None:
        why: TransientError | None = None
        try:
            why = await threads.ask((pool, "anew"), lambda: self.clients.open_anew(pool), _OPENING_S)
        except AnswersOwedError as owed:
            self.owed[pool] = owed
        except (QuantixError, SilentPlaceError) as error:
            log.warning("no other connection to Ceph", pool=pool.name, error=str(error))
        if why is not None:
            threads.give_up(places, why)
            self.owed.pop(pool, None)
            log.warning("answers are owed over a connection to Ceph, another one is used", pool=pool.name)

    def _unusable(self, pool: str, said: str) -> TransientError:
        return as_error(TransientError, "PoolUnreachable", host=self.clients.host, pool=pool, said=said)
