"""The disk of a volume in a pool in Ceph: made whole or not at all, grown, removed.

Called as `storage.VolumeStorage`. A volume being made is none yet: it is an RBD image of another name, then
its claim is made, and it becomes the volume by one rename.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from quantix_api.errors import PermanentError, TransientError
from quantix_api.messages import as_error
from quantix_hostd.claims import CephPool, Claim, ClaimChangedError, ClaimStore, VolumePlace, new_claim
from quantix_hostd.clients.ceph_library import rbd
from quantix_hostd.clients.pool_rbd import BASE, PoolRbd
from quantix_hostd.clients.qemu_img import Disk
from quantix_hostd.clients.qemu_rbd import RbdImage, convert
from quantix_hostd.clients.rbd_calls import mark_owner
from quantix_hostd.clients.rbd_import import FEATURES, RbdImport, create_blank
from quantix_hostd.clients.rbd_snapshots import bytes_at, image_at, remove_gone
from quantix_hostd.clients.state_store import StateObjects, copy_state
from quantix_hostd.copy_bounds import copy_bounds
from quantix_hostd.facts.disk_file import DiskFile
from quantix_hostd.snapshot_place import SnapshotPlace
from quantix_hostd.thread_calls import to_the_end
from quantix_hostd.volume.disk_header import read_volume
from quantix_hostd.volume.recipe import Origin, Recipe

log = structlog.get_logger(__name__)

Fill = Callable[[str], Awaitable[None]]


class RbdDiskMaker:
    """One for a process. `pool_of` tells the pool of a place; `cluster_uid` goes into claims and marks."""

    def __init__(
        self,
        importer: RbdImport,
        claims: ClaimStore,
        states: StateObjects,
        cluster_uid: str,
        pool_of: Callable[[str], PoolRbd],
    ) -> None:
        self._importer = importer
        self._claims = claims
        self._states = states
        self._cluster_uid = cluster_uid
        self._pool_of = pool_of

    def read(self, place: VolumePlace) -> DiskFile | None:
        found = bytes_at(self._pool(place), place)
        return None if found is None else DiskFile(found)

    def full(self, place: VolumePlace) -> str:
        return self._pool(place).full()

    def leave(self, place: VolumePlace) -> None:
        if shut_out := self._pool(place).shut_out_left(place.handle):
            log.warning("clients shut out that ended without a word", place=place.shown, count=shut_out)

    def remove(self, pool: PoolRbd, handle: str) -> bool:
        removed = pool.remove_volume(handle)
        # it may have been the last clone of one
        remove_gone(pool)
        return removed

    async def make(self, pool: PoolRbd, recipe: Recipe, is_wanted: Callable[[], bool] = lambda: True) -> bool:
        _refuse_encrypted(pool, recipe.passphrase)
        if await asyncio.to_thread(pool.disk, recipe.handle) is not None:
            return True

        async def fill(draft: str) -> None:
            await self._fill(pool, draft, recipe)
            await to_the_end(lambda _: _resize(pool, draft, recipe.final_size_bytes))

        return await self._publish(pool, recipe.handle, new_claim(self._cluster_uid), fill, is_wanted)

    async def make_blank_copy(
        self, pool: PoolRbd, handle: str, size_bytes: int, claim: Claim, passphrase: str = ""
    ) -> None:
        _refuse_encrypted(pool, passphrase)

        async def fill(draft: str) -> None:
            await to_the_end(lambda _: create_blank(pool, draft, size_bytes))

        await asyncio.to_thread(pool.remove_volume, handle)
        await self._publish(pool, handle, claim, fill, lambda: True)

    async def copy(
        self,
        source: VolumePlace,
        pool: PoolRbd,
        claim: Claim,
        is_wanted: Callable[[], bool],
        passphrase: str = "",
    ) -> bool:
        _refuse_encrypted(pool, passphrase)

        async def fill(draft: str) -> None:
            await self._bring(pool, draft, source)
            # before it has its claim: what is lost later is missed
            await to_the_end(lambda _: copy_state(self._states, source, pool.place(source.handle)))

        await asyncio.to_thread(pool.remove_volume, source.handle)
        return await self._publish(pool, source.handle, claim, fill, is_wanted)

    async def made_bytes(self, pool: PoolRbd, recipe: Recipe) -> int | None:
        return None

    async def moved_bytes(self, place: VolumePlace) -> int | None:
        return await asyncio.to_thread(self.stored_bytes, place)

    def stored_bytes(self, place: VolumePlace) -> int:
        return self._pool(place).stored_bytes(place.handle)

    async def grow(self, place: VolumePlace, size_bytes: int, passphrase: str = "") -> None:
        await asyncio.to_thread(_resize, self._pool(place), place.handle, size_bytes)

    async def try_passphrase(self, place: VolumePlace, passphrase: str) -> None:
        """Of one that is not encrypted: nothing is in Ceph."""

    async def _publish(
        self, pool: PoolRbd, handle: str, claim: Claim, fill: Fill, is_wanted: Callable[[], bool]
    ) -> bool:
        """Make a volume with this claim, whose data `fill` puts into an RBD image, in no thread that outlives
        it; False when it was not wanted in the end. Raises TransientError (VolumeInUse) when there is one.
        """
        draft = pool.draft(handle)
        await asyncio.to_thread(pool.remove_draft, handle)
        try:
            await fill(draft)
            await to_the_end(lambda _: self._mark(pool, draft, handle))
            wanted = is_wanted()
            if wanted:
                await to_the_end(lambda _: self._finish(pool, handle, claim))
            return wanted
        finally:
            await asyncio.to_thread(pool.remove_draft, handle)

    def _mark(self, pool: PoolRbd, draft: str, handle: str) -> None:
        with pool.editing(draft) as image:
            mark_owner(image, handle, self._cluster_uid)

    def _finish(self, pool: PoolRbd, handle: str, claim: Claim) -> None:
        place = pool.place(handle)
        try:
            self._claims.create(place, claim)
        except ClaimChangedError:
            # made by a host that ended before it came to give the image its name
            if self._claims.read(place) != claim:
                raise
        pool.publish(handle)

    async def _fill(self, pool: PoolRbd, draft: str, recipe: Recipe) -> None:
        base, origin = recipe.base, recipe.origin
        if origin is not None:
            await self._bring_origin(pool, draft, origin, flatten=recipe.full_copy)
        elif base is None:
            await to_the_end(lambda _: create_blank(pool, draft, recipe.final_size_bytes))
        elif await asyncio.to_thread(pool.has_image, base.image_uid):
            image = pool.image_name(base.image_uid)
            await to_the_end(partial(_clone, pool, image, BASE, draft, recipe.full_copy))
        else:
            # a file that was sent for this volume alone
            sent = Disk(pool.staging.path, pool.staging.image(base.image_uid), base.driver)
            await self._importer.fill(pool, draft, sent, base.virtual_size_bytes)

    async def _bring_origin(self, pool: PoolRbd, draft: str, origin: Origin, *, flatten: bool) -> None:
        """A copy that stands alone: nothing of ours stands on what somebody writes to. What a snapshot keeps
        nobody does.
        """
        if origin.encrypted:
            raise as_error(PermanentError, "ConfigRefused", pool=pool.name, path="spec.encryption")
        place = origin.place
        if isinstance(place, SnapshotPlace) and place.pool == pool.key:
            image = await asyncio.to_thread(image_at, pool, place)
            await to_the_end(partial(_clone, pool, image.name, image.snapshot, draft, flatten))
        else:
            await self._bring(pool, draft, place)

    async def _bring(self, pool: PoolRbd, draft: str, source: VolumePlace) -> None:
        """Make a copy of a disk of any pool that nobody writes to meanwhile."""
        if isinstance(source.pool, CephPool):
            elsewhere = self._pool(source)
            size_bytes = await asyncio.to_thread(bytes_at, elsewhere, source)
            if size_bytes is None:
                raise as_error(TransientError, "DataMissing", place=source.shown)
            await to_the_end(lambda _: create_blank(pool, draft, size_bytes))
            end = await asyncio.to_thread(image_at, elsewhere, source)
            target = RbdImage(pool.known_access(), draft)
            await convert(end, target, copy_bounds(size_bytes, size_bytes).wall_s)
            return
        found = await asyncio.to_thread(read_volume, source)
        if found is None:
            raise as_error(TransientError, "DataMissing", place=source.shown)
        image = source.directory / "images" / found.image_uid if found.image_uid else None
        disk_of_dir = Disk(source.directory, source.data, "qcow2", image, found.backing_driver)
        await self._importer.fill(pool, draft, disk_of_dir, found.capacity_bytes)

    def _pool(self, place: VolumePlace) -> PoolRbd:
        assert isinstance(place.pool, CephPool)
        return self._pool_of(place.pool.name)


def _refuse_encrypted(pool: PoolRbd, passphrase: str) -> None:
    if passphrase:
        raise as_error(PermanentError, "ConfigRefused", pool=pool.name, path="spec.encryption")


def _clone(
    pool: PoolRbd, image: str, snapshot: str, draft: str, flatten: bool, goes_on: Callable[[], bool]
) -> None:
    """One that is to stand alone takes as long as it is large; it raises where it is not to go on."""

    def progress(_done: int, _of: int) -> int:
        # what is below 0 ends it (librbd, AsyncObjectThrottle)
        return 0 if goes_on() else -errno.ECANCELED

    with pool.ceph.opened(pool.key) as ioctx:
        rbd().RBD().clone(ioctx, image, snapshot, ioctx, draft, features=FEATURES)
        if flatten:
            with rbd().Image(ioctx, draft) as clone:
                clone.flatten(on_progress=progress)


def _resize(pool: PoolRbd, name: str, size_bytes: int) -> None:
    """Make it larger; never smaller."""
    with pool.editing(name) as image:
        if image.size() < size_bytes:
            image.resize(size_bytes)
