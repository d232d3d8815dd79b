"""Opens the pools in Ceph for this host: as their StoragePools say, with the key that a Secret holds.

A part of `pools`. The key is kept in memory only; a host whose API is away when hostd starts reaches its
pools in Ceph once that is back, and its guests go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from quantix_api import StoragePool
from quantix_api.errors import TransientError
from quantix_api.message_table_phrases import CEPH_NAMESPACE
from quantix_api.messages import as_error
from quantix_api.resources import NAMESPACE_SYSTEM
from quantix_hostd.claims import CephPool
from quantix_hostd.clients.ceph import CephAccess, CephClients
from quantix_hostd.clients.pool_dir import PoolDir, PoolPlaceError
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.secret_values import SecretKey, SecretValues

SECRET_KEY = "key"
"""Under which the Secret of a pool holds the key of its user."""


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
        """Know from now on where the pool is, and the key of its user.

        Raises PoolPlaceError (CredentialsRefused) where it names no Secret, TransientError (PoolUnreachable)
        where it names a namespace, and as `SecretValues.read`.
        """
        place, name = pool.spec.rbd, pool.metadata.name
        assert place is not None
        if place.namespace:
            # libvirt 9.0 takes it for a part of the image's name
            about = {"host": self.clients.host, "pool": name}
            raise as_error(TransientError, "PoolUnreachable", **about, said=CEPH_NAMESPACE)
        if place.secret_ref is None:
            raise as_error(PoolPlaceError, "CredentialsRefused", user=place.user)
        known = self.clients.access(CephPool(name))
        wanted = CephAccess(
            place.monitors,
            place.pool,
            place.user,
            known.key if known is not None else "",
            place.secret_ref.name,
        )
        if known == wanted and name not in self.refused:
            return
        secret = SecretKey(NAMESPACE_SYSTEM, place.secret_ref.name, SECRET_KEY, {"pool": name})
        key = (await self.secrets.read(secret)).decode(errors="replace").strip()
        self.clients.learn(CephPool(name), replace(wanted, key=key))

    def open(self, pool: PoolRbd) -> None:
        """See that the pool can be used, and is this cluster's. Blocks; raises TransientError
        (PoolUnreachable), as PoolPlaceError where what is wrong is for the pool's own Ready.
        """
        self.refused.add(pool.name)
        self.clients.check(pool.key)
        self.refused.discard(pool.name)
        pool.mark(self.cluster_uid())
