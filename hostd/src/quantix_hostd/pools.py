"""The pools of this host: which StoragePools it reaches, and where they lie here.

Used by the host, image and volume controllers. Reads the cached StoragePools and Host only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog

from quantix_api import Host, StoragePool
from quantix_api.errors import PermanentError, QuantixError, TransientError
from quantix_api.host_labels import host_labels, selects
from quantix_api.layout import Layout
from quantix_api.messages import as_error, as_wait
from quantix_api.seniority import age_order, default_pool
from quantix_client.reading import model_of
from quantix_hostd.ceph_pools import CephPools
from quantix_hostd.claims import CephPool
from quantix_hostd.clients.files import FileOwner, explained
from quantix_hostd.clients.patience import PatientThreads, SilentPlaceError
from quantix_hostd.clients.pool_dir import PoolDir, PoolPlaceError, Remains, remove_tree
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.used_pools import UsedPools
from quantix_hostd.clients.way_in import WayIn
from quantix_hostd.dir_places import DirPlaces

_RETRY_S = 5.0
# longer than a worker may take (`dispatch.HANG_S`): the lanes that scan are not guarded (`assembly`)
_SCAN_S = 120.0

T = TypeVar("T")

Pool = PoolDir | PoolRbd
"""A pool of this host, of either kind."""

log = structlog.get_logger(__name__)


class Scan(Enum):
    """What all entries of a pool are looked at for."""

    IMAGES = "images"
    ORPHANS = "orphans"
    BASED_ON_IMAGE = "based on image"
    PUT_AWAY = "put away"


@dataclass(frozen=True)
class HostPools:
    """`pools` and `hosts` are caches; `owner` and `image_owner` as in `PoolDir`. `way_in`: of QEMU's user;
    None where nobody asks for it. `ceph`: None where no pool is in Ceph. `in_use`: by UID the `dir` pools
    that this process has used, `opened` the names of those in Ceph. `scan_s`: how long a scan may take.
    """

    pools: Mapping[str, Mapping[str, Any]]
    hosts: Mapping[str, Mapping[str, Any]]
    host: str
    layout: Layout
    owner: FileOwner
    image_owner: FileOwner | None = None
    way_in: WayIn | None = None
    ceph: CephPools | None = None
    in_use: dict[str, PoolDir] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)
    threads: PatientThreads = field(default_factory=PatientThreads)
    scan_s: float = _SCAN_S

    def reached(self) -> tuple[StoragePool, ...]:
        """The pools whose selector takes this host, oldest first."""
        known = [model_of(StoragePool, manifest) for manifest in self.pools.values()]
        usable = (pool for pool in known if pool.spec.dir or self.ceph is not None)
        mine = [pool for pool in usable if not pool.deleting and self._selects(pool)]
        return tuple(sorted(mine, key=age_order))

    def at_hand(self) -> tuple[Pool, ...]:
        """The same, as this host uses them."""
        return tuple(self.found(pool) for pool in self.reached())

    def directories(self) -> tuple[PoolDir, ...]:
        """Those of kind `dir`."""
        return tuple(pool for pool in self.at_hand() if isinstance(pool, PoolDir))

    async def pool(self, name: str | None) -> Pool:
        """The pool of this name (None: the default one), its directories made.

        Raises WaitingError (PoolNotFound), PermanentError (PoolUnreachable: not for this host) or
        TransientError (PoolUnreachable).
        """
        try:
            return await self._prepared(self.find(name))
        except PoolPlaceError as error:
            # who uses a pool knows one reason for all that may be wrong with it
            raise TransientError("PoolUnreachable", error.message, error.hint) from error

    def found(self, pool: StoragePool) -> Pool:
        """A pool as this host uses it."""
        name = pool.metadata.name
        if pool.spec.dir is not None:
            return self.at(Path(pool.spec.dir.path), name)
        if self.ceph is None:
            raise ValueError(f"{name} is no dir pool")
        return self.in_ceph(name)

    def in_ceph(self, name: str) -> PoolRbd:
        """The pool in Ceph that the StoragePool with this name tells of, or told."""
        assert self.ceph is not None
        return self.ceph.pool(name, self.at(self._staging(name), name))

    def at(self, path: Path, name: str = "") -> PoolDir:
        """What a pool has, or had, at this path of the host; named by it where nobody knows the name."""
        return PoolDir(name or str(path), path, self.owner, self.host, self.image_owner)

    async def check_there(self, uid: str, pool: PoolDir) -> None:
        """Whatever the API has of it by now. Raises TransientError (PoolUnreachable) where the pool with this
        UID was used at this place and is away: it hangs, or an empty mount point is left. OSError.
        """
        used = UsedPools(self.layout.used_pools)
        if await self.ask(pool, lambda: used.has(uid, pool.path) and not pool.volumes.is_dir()):
            about = {"host": self.host, "pool": pool.name, "empty": pool.path}
            raise as_error(TransientError, "PoolUnreachable", **about)

    async def ask(self, pool: Pool, call: Callable[[], T]) -> T:
        """What `call` finds out in the pool, in a thread. Raises what it does, and TransientError
        (PoolUnreachable) where the disk, or the server behind it, does not answer in time.
        """
        try:
            return await self.threads.ask(pool.key, call)
        except SilentPlaceError as silent:
            raise self._hangs(pool, silent) from silent

    async def scan(self, pool: Pool, what: Scan, call: Callable[[], T]) -> T:
        """The same for what takes as long as the pool has entries: one that is slow is not taken for one that
        hangs, and keeps no other kind of scan from being made.
        """
        if isinstance(pool, PoolDir):
            await self.ask(pool, pool.path.exists)
        try:
            return await self.threads.ask((pool.key, what), call, self.scan_s)
        except SilentPlaceError as silent:
            raise self._hangs(pool, silent) from silent

    async def problem(self, pool: StoragePool) -> QuantixError | None:
        """Why this host cannot use a pool that it should reach: a PoolPlaceError where that is its place;
        None when it can. One that QEMU may not get to is no place for guests, but what is in it can still be
        removed (`pool`).
        """
        try:
            await self._prepared(pool)
        except QuantixError as error:
            return error
        return await self.way_problem(pool)

    async def way_problem(self, pool: StoragePool) -> TransientError | None:
        """That QEMU's user may not enter a directory on the way to a `dir` pool (PoolPlaceError,
        PathBarred), or that the way hangs (PoolUnreachable); else None.
        """
        if self.way_in is None or pool.spec.dir is None:
            return None
        directory = self.at(Path(pool.spec.dir.path), pool.metadata.name)
        try:
            barred = await self.way_in.first_barred(directory.path, directory.volumes, directory.images)
        except SilentPlaceError as silent:
            return self._hangs(directory, silent)
        if barred is None:
            return None
        about = {"host": self.host, "pool": directory.name, "user": self.way_in.user}
        return as_error(PoolPlaceError, "PathBarred", barred=barred, **about)

    async def tidy(self, wanted: frozenset[str]) -> None:
        """At hostd's start: what an earlier process left half-made is nobody's now, but for what came of
        `wanted` images and volumes (UIDs), and what an older version made gets the owner that it should have.
        """
        await asyncio.to_thread(self._sweep_staging, frozenset(self.pools))
        for pool in self.reached():
            if await self.problem(pool):
                continue
            try:
                await self._tidy(self.found(pool), wanted)
            except (TransientError, OSError) as error:
                # what is left there is found at the next start; hostd's own must not wait for a pool
                log.warning("pool not tidied", pool=pool.metadata.name, error=str(error))

    def _sweep_staging(self, known: frozenset[str]) -> None:
        """What was received for pools in Ceph that are no more."""
        staging = self._staging("x").parent
        for path in staging.iterdir() if staging.is_dir() else ():
            if path.name not in known:
                remove_tree(path)

    def _staging(self, name: str) -> Path:
        return self.layout.data / "staging" / name

    async def _tidy(self, pool: Pool, wanted: frozenset[str]) -> None:
        # no scans: until one that was given up has ended, nothing may be made beside it
        received = pool.received
        if swept := await self.ask(received, lambda: received.sweep_drafts(wanted)):
            log.info("half-made things removed", pool=pool.name, count=swept)
        if isinstance(pool, PoolRbd):
            await self.ask(pool, pool.sweep_drafts)
        elif corrected := await self.ask(pool, pool.correct_owners):
            log.info("owners corrected", pool=pool.name, count=corrected)

    async def _prepared(self, pool: StoragePool) -> Pool:
        """A pool that can be used, its directories made. Raises as `pool`, and PoolPlaceError."""
        if not self._selects(pool):
            raise as_error(PermanentError, "PoolUnreachable", host=self.host, pool=pool.metadata.name)
        found = self.found(pool)
        if isinstance(found, PoolRbd):
            return await self._opened(pool, found)
        others = self._directories_by_uid(), list(self.deleted().values())
        await self.ask(found, lambda: DirPlaces(self.layout).prepare(found, pool.metadata.uid, *others))
        self.in_use[pool.metadata.uid] = found
        return found

    async def _opened(self, pool: StoragePool, found: PoolRbd) -> PoolRbd:
        assert self.ceph is not None
        ceph, before = self.ceph, self.ceph.clients.access(found.key)
        await ceph.learn(pool)
        if found.name not in self.opened or ceph.clients.access(found.key) != before:
            self.opened.discard(found.name)
            await asyncio.to_thread(lambda: found.staging.prepare(create=True))
            await self.ask(found, lambda: ceph.open(found))
            self.opened.add(found.name)
        return found

    async def learn(self, key: CephPool) -> None:
        """Let calls into a pool in Ceph know its place and its key, as far as its StoragePool is there.
        Raises QuantixError.
        """
        manifest = self.pools.get(key.name)
        pool = model_of(StoragePool, manifest) if manifest is not None else None
        if self.ceph is not None and pool is not None and pool.spec.rbd is not None:
            await self.ceph.learn(pool)

    def key_of(self, name: str) -> str:
        """The key of the user of a StoragePool in Ceph. Raises TransientError (PoolUnreachable)."""
        return self.in_ceph(name).known_access().key

    def _directories_by_uid(self) -> list[tuple[str, PoolDir]]:
        """Those of kind `dir` that this host reaches, oldest first."""
        found = ((pool.metadata.uid, self.found(pool)) for pool in self.reached())
        return [(uid, pool) for uid, pool in found if isinstance(pool, PoolDir)]

    def deleted(self) -> dict[str, PoolDir]:
        """By UID the pools that this process has used, that were deleted since while it ran, and that are not
        `put_away`.
        """
        known = {manifest["metadata"].get("uid", "") for manifest in self.pools.values()}
        return {uid: pool for uid, pool in self.in_use.items() if uid not in known}

    async def put_away(self, uid: str, images: Collection[str]) -> Remains | None:
        """Remove what was made here for a deleted pool, with the files of `images` (UIDs); what stays.

        Raises TransientError, and the pool is still `deleted`.
        """
        pool = self.in_use[uid]
        try:
            reached, places = self._directories_by_uid(), DirPlaces(self.layout)
            remove = partial(places.put_away, uid, pool, reached, images)
            remains = await self.scan(pool, Scan.PUT_AWAY, remove)
        except OSError as error:
            raise explained(error, str(pool.path)) from error
        self.in_use.pop(uid, None)
        return remains

    def _hangs(self, pool: Pool, silent: SilentPlaceError) -> TransientError:
        about = {"host": self.host, "pool": pool.name, "said": silent}
        if isinstance(pool, PoolDir):
            return as_error(TransientError, "PoolUnreachable", **about, hangs=pool.path)
        places = (pool.key, *((pool.key, what) for what in Scan))
        owed = self.ceph.fell_silent(pool.key, self.threads, places) if self.ceph is not None else None
        return owed or as_error(TransientError, "PoolUnreachable", **about)

    def find(self, name: str | None) -> StoragePool:
        """The pool of this name (None: the default one). Raises WaitingError (PoolNotFound)."""
        if name is not None:
            manifest = self.pools.get(name)
            if manifest is None:
                raise as_wait("PoolNotFound", _RETRY_S, pool=name, path="spec.pool")
            return model_of(StoragePool, manifest)
        default = default_pool(model_of(StoragePool, manifest) for manifest in self.pools.values())
        if default is None:
            raise as_wait("PoolNotFound", _RETRY_S)
        return default

    def _selects(self, pool: StoragePool) -> bool:
        manifest = self.hosts.get(self.host)
        if manifest is None:
            return selects(pool.spec.host_selector, host_labels(self.host, {}))
        host = model_of(Host, manifest)
        labels = host_labels(self.host, host.metadata.labels, host.status.arch, host.status.cpu_vendor)
        return selects(pool.spec.host_selector, labels)
