"""The pools of this host: which StoragePools it reaches, and where they lie here.

Used by the host, image and volume controllers. Reads the cached StoragePools and Host only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from quantix_api import Host, StoragePool
from quantix_api.errors import PermanentError, QuantixError
from quantix_api.layout import Layout
from quantix_api.messages import as_error, as_wait
from quantix_api.seniority import age_order, default_pool
from quantix_client.reading import model_of
from quantix_hostd.clients.files import FileOwner, explained
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.used_pools import UsedPools

_HOST_LABEL = "quantix.io/host"
_RETRY_S = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class HostPools:
    """`stores` are the caches of StoragePools and Hosts; `owner` and `image_owner` as in `PoolDir`."""

    pools: Mapping[str, Mapping[str, Any]]
    hosts: Mapping[str, Mapping[str, Any]]
    host: str
    layout: Layout
    owner: FileOwner
    image_owner: FileOwner | None = None

    def reached(self) -> tuple[StoragePool, ...]:
        """The `dir` pools whose selector takes this host, oldest first."""
        known = [model_of(StoragePool, manifest) for manifest in self.pools.values()]
        mine = [pool for pool in known if pool.spec.dir and not pool.deleting and self._selects(pool)]
        return tuple(sorted(mine, key=age_order))

    async def pool(self, name: str | None) -> PoolDir:
        """The pool of this name (None: the default one), its directories made.

        Raises WaitingError (PoolNotFound), PermanentError (PoolUnreachable: not for this host) or
        TransientError (PoolUnreachable).
        """
        found = self.find(name)
        if found.spec.dir is None or not self._selects(found):
            pool = found.metadata.name
            raise as_error(PermanentError, "PoolUnreachable", host=self.host, pool=pool)
        directory = self.directory(found)
        await asyncio.to_thread(self._prepare, directory, found.metadata.uid)
        return directory

    def directory(self, pool: StoragePool) -> PoolDir:
        """Where a `dir` pool lies on this host."""
        if pool.spec.dir is None:
            raise ValueError(f"{pool.metadata.name} is no dir pool")
        path = Path(pool.spec.dir.path)
        return PoolDir(pool.metadata.name, path, self.owner, self.host, self.image_owner)

    async def problem(self, pool: StoragePool) -> str:
        """Why this host cannot use a pool that it should reach; "" when it can."""
        try:
            await self.pool(pool.metadata.name)
        except QuantixError as error:
            return str(error)
        return ""

    async def tidy(self, images: frozenset[str]) -> None:
        """At hostd's start: what an earlier process left half-made is nobody's now, but for what came of
        `images` (UIDs), and what an older version made gets the owner that it should have.
        """
        for pool in self.reached():
            if await self.problem(pool):
                continue
            directory = self.directory(pool)
            if swept := await asyncio.to_thread(directory.sweep_drafts, images):
                log.info("half-made things removed", pool=pool.metadata.name, count=swept)
            if corrected := await asyncio.to_thread(directory.correct_owners):
                log.info("owners corrected", pool=pool.metadata.name, count=corrected)

    def _prepare(self, directory: PoolDir, uid: str) -> None:
        used = UsedPools(self.layout.data / "used-pools.json")
        try:
            ours, before = self._is_ours(directory.path), used.has(uid, directory.path)
            directory.prepare(create=ours, used_before=before)
            used.note(uid, directory.path)
        except OSError as error:
            raise explained(error, str(used.file)) from error

    def find(self, name: str | None) -> StoragePool:
        """The pool of this name (None: the default one). Raises WaitingError (PoolNotFound)."""
        if name is not None:
            manifest = self.pools.get(name)
            if manifest is None:
                raise as_wait("PoolNotFound", _RETRY_S, pool=name)
            return model_of(StoragePool, manifest)
        default = default_pool(model_of(StoragePool, manifest) for manifest in self.pools.values())
        if default is None:
            raise as_wait("PoolNotFound", _RETRY_S)
        return default

    def _selects(self, pool: StoragePool) -> bool:
        manifest = self.hosts.get(self.host)
        labels = dict(model_of(Host, manifest).metadata.labels) if manifest else {}
        labels.setdefault(_HOST_LABEL, self.host)
        return all(labels.get(key) == value for key, value in pool.spec.host_selector.items())

    def _is_ours(self, path: Path) -> bool:
        """Only below our own data directory is a missing directory made: elsewhere a disk may be missing."""
        return path.is_relative_to(self.layout.data)
