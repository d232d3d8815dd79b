"""Opens the pools in Ceph for this host: as their StoragePools say, with the key that a Secret holds.

A part of `pools`. The key, one for all hosts or this host's own, is kept in memory only; a host whose API is
away when hostd starts reaches its pools in Ceph once that is back, and its guests go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from quantix_api import StoragePool
from quantix_api.errors import TransientError
from quantix_api.message_table_phrases import CEPH_NAMESPACE, CEPH_NO_MONITOR, CEPH_UNKNOWN
from quantix_api.messages import as_error
from quantix_hostd.claims import CephPool
from quantix_hostd.clients.ceph import CephAccess, CephClients
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.secret_values import SecretKey, SecretValues


@dataclass(frozen=True)
class CephPools:
    """One for a process. `cluster_uid` is "" while it is not known yet. `refused`: the pools whose key was
    not taken, so that it is read again.
    """

    clients: CephClients
    secrets: SecretValues
    cluster_uid: Callable[[], str]
    refused: set[str] = field(default_factory=set)

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

    def _unusable(self, pool: str, said: str) -> TransientError:
        return as_error(TransientError, "PoolUnreachable", host=self.clients.host, pool=pool, said=said)
