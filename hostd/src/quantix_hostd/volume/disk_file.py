"""The disk file of a volume in a `dir` pool: made whole or not at all, grown, removed.

Called by the volume controller, and by the VM's start for growing (under the claim that the start has
taken). Work on a volume that no QEMU has takes its claim first (ha.md, section Ownership). A volume being
made is none yet: it lies in a directory of another name, gets its claim there, and becomes the volume by one
rename.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from quantix_api.disk_image import HEAD_BYTES, ImageFormat, inspect_image
from quantix_api.errors import InvariantError, TransientError
from quantix_api.message_table_phrases import OTHER_DISK
from quantix_api.messages import as_error
from quantix_hostd.claims import CephPool, Claim, ClaimStore, VolumePlace, new_claim
from quantix_hostd.clients.no_follow import opened_file
from quantix_hostd.clients.pool_dir import PoolDir, remove_tree
from quantix_hostd.clients.qemu_img import Disk, QemuImg
from quantix_hostd.clients.state_store import StateFiles, StateObjects, copy_state
from quantix_hostd.copy_bounds import copy_bounds
from quantix_hostd.facts.disk_file import DiskFile
from quantix_hostd.pool_asks import Ask, in_a_thread
from quantix_hostd.volume.disk_draft import (
    begin_draft,
    hand_to_qemu,
    publish_draft,
    reflinked,
    remove_volume,
)
from quantix_hostd.volume.disk_header import read_volume
from quantix_hostd.volume.disk_size import copy_bytes, length_bytes, stored_bytes, without_room
from quantix_hostd.volume.rbd_export import RbdExport
from quantix_hostd.volume.recipe import Recipe

log = structlog.get_logger(__name__)


class DiskFileMaker:
    """Makes and removes the files of volumes; `cluster_uid` goes into their claims. `ask`: how a pool is
    asked by what a VM's start or its running guest waits for, whose worker must not hang with the pool.
    `exports`: None where no pool is in Ceph.
    """

    def __init__(
        self,
        qemu_img: QemuImg,
        claims: ClaimStore,
        cluster_uid: str,
        ask: Ask = in_a_thread,
        exports: RbdExport | None = None,
        states: StateObjects | None = None,
    ) -> None:
        self._ask = ask
        self._exports = exports
        self._states = states or StateFiles()
        self._qemu_img = qemu_img
        self._claims = claims
        self._cluster_uid = cluster_uid

    def read(self, place: VolumePlace) -> DiskFile | None:
        return read_volume(place)

    def full(self, place: VolumePlace) -> str:
        return without_room(place.directory)

    def leave(self, place: VolumePlace) -> None:
        """The kernel has all that it wrote."""

    def remove(self, pool: PoolDir, handle: str) -> bool:
        return remove_volume(pool, handle)

    async def make(self, pool: PoolDir, recipe: Recipe, is_wanted: Callable[[], bool] = lambda: True) -> bool:
        """Make the volume; False when it was not wanted any more in the end, and became none. What is already
        there stays as it is.

        Raises TransientError (PoolFull; or, when another host made it meanwhile, VolumeInUse).
        """
        if await asyncio.to_thread(pool.volume(recipe.handle).exists):
            return True

        async def fill(place: VolumePlace) -> None:
            await self._fill(place, pool, recipe)

        return await self.publish(pool, recipe.handle, new_claim(self._cluster_uid), fill, is_wanted)

    async def try_passphrase(self, place: VolumePlace, passphrase: str) -> None:
        """Open a disk, which a guest may have. Raises TransientError (PassphraseWrong, DataMissing)."""
        await self._qemu_img.try_passphrase(_disk(place, await self._found(place), passphrase))

    async def make_blank_copy(
        self, pool: PoolDir, handle: str, size_bytes: int, claim: Claim, passphrase: str = ""
    ) -> None:
        """Make an empty disk that a running guest's disk is copied into; what lies there must be a copy that
        nobody has, and goes.

        Raises as `make`.
        """

        async def fill(place: VolumePlace) -> None:
            made = Disk(place.directory, place.data, passphrase=passphrase)
            await self._qemu_img.create(made, size_bytes)

        if await self._ask(pool.path, pool.volume(handle).exists):
            # takes as long as the file is large: a pool that is slow at it is not silent
            await asyncio.to_thread(remove_volume, pool, handle)
        await self.publish(pool, handle, claim, fill)

    async def copy(
        self,
        source: VolumePlace,
        pool: PoolDir,
        claim: Claim,
        is_wanted: Callable[[], bool],
        passphrase: str = "",
    ) -> bool:
        """Make a copy of a disk that nobody has open, and of what lies beside it; it stands alone, and opens
        with the same `passphrase`. Else as `make`; raises TransientError (PassphraseWrong), too.
        """

        async def fill(place: VolumePlace) -> None:
            if isinstance(source.pool, CephPool):
                await self._bring(pool, source, Disk(place.directory, place.data, passphrase=passphrase), 0)
                await asyncio.to_thread(copy_state, self._states, source, place)
                return
            found = await self._found(source)
            disk = _disk(source, found, passphrase)
            made = Disk(place.directory, place.data, passphrase=passphrase)
            from_bytes = await asyncio.to_thread(length_bytes, disk)
            await self._write(pool, disk, made, from_bytes, found.capacity_bytes)
            await asyncio.to_thread(copy_state, self._states, source, place)

        await asyncio.to_thread(remove_volume, pool, source.handle)
        return await self.publish(pool, source.handle, claim, fill, is_wanted)

    async def made_bytes(self, pool: PoolDir, recipe: Recipe) -> int | None:
        """What a volume that is made as a copy will take at most, None where that is not known."""
        if recipe.origin is not None and isinstance(recipe.origin.place.pool, CephPool):
            return None
        source = _source(pool, recipe)
        if source is None:
            return None
        return await copy_bytes(self._qemu_img, source, _made(pool.place(recipe.handle), recipe).backing)

    async def moved_bytes(self, place: VolumePlace) -> int | None:
        """What the copy of a volume that moves will take at most, None where that is not known."""
        if isinstance(place.pool, CephPool):
            return None
        found = await asyncio.to_thread(read_volume, place)
        return None if found is None else await copy_bytes(self._qemu_img, _disk(place, found, ""), None)

    def stored_bytes(self, place: VolumePlace) -> int:
        """As `disk_size.stored_bytes`."""
        return stored_bytes(place)

    async def publish(
        self,
        pool: PoolDir,
        handle: str,
        claim: Claim,
        fill: Callable[[VolumePlace], Awaitable[None]],
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Make a volume with this claim, whose data `fill` puts there; False when it was not wanted in the
        end. Raises TransientError (VolumeInUse) when there is one.
        """
        draft = pool.volumes / pool.volume_draft_name(handle)
        beginning = asyncio.create_task(asyncio.to_thread(begin_draft, draft, pool))
        try:
            await asyncio.shield(beginning)
            place = VolumePlace(pool.path, draft.name)
            await fill(place)
            await asyncio.to_thread(hand_to_qemu, place.data, pool)
            await asyncio.to_thread(self._claims.create, place, claim)
            wanted = is_wanted()
            if wanted:
                await asyncio.to_thread(publish_draft, draft, pool.volume(handle))
            return wanted
        finally:
            # a thread goes on when who waits for it is cancelled, and would make what was just removed
            await asyncio.gather(beginning, return_exceptions=True)
            await asyncio.to_thread(remove_tree, draft)

    async def grow(self, place: VolumePlace, size_bytes: int, passphrase: str = "") -> None:
        """Make a disk that nobody has open at least `size_bytes` large; the caller holds its claim."""
        found = await self._found(place)
        if found.capacity_bytes < size_bytes:
            await self._qemu_img.grow(_disk(place, found, passphrase), size_bytes)

    async def _found(self, place: VolumePlace) -> DiskFile:
        """What lies there. Raises TransientError (DataMissing)."""
        found = await self._ask(place.directory, partial(read_volume, place))
        if found is None:
            raise as_error(TransientError, "DataMissing", place=place.data)
        return found

    async def _fill(self, place: VolumePlace, pool: PoolDir, recipe: Recipe) -> None:
        made, origin = _made(place, recipe), recipe.origin
        if origin is not None and isinstance(origin.place.pool, CephPool):
            await self._bring(pool, origin.place, made, recipe.final_size_bytes)
            return
        source = _source(pool, recipe)
        from_bytes = await asyncio.to_thread(length_bytes, source) if source is not None else 0
        if source is None or not recipe.is_copy:
            await self._qemu_img.create(made, recipe.final_size_bytes)
            return
        # one that is encrypted gets a key of its own
        as_it_is = source.driver == "qcow2" and source.backing == made.backing and not recipe.passphrase
        if as_it_is and await asyncio.to_thread(reflinked, source, made.path):
            await asyncio.to_thread(hand_to_qemu, made.path, pool)
            await self.grow(place, recipe.final_size_bytes)
            return
        await self._write(pool, source, made, from_bytes, recipe.final_size_bytes)

    async def _bring(self, pool: PoolDir, source: VolumePlace, made: Disk, least_bytes: int) -> None:
        """Make a disk that holds all that one in Ceph does."""
        assert self._exports is not None
        size_bytes = await self._exports.size_bytes(source)
        await self._qemu_img.create(made, max(size_bytes, least_bytes))
        await asyncio.to_thread(hand_to_qemu, made.path, pool)
        await self._exports.fill(made, source)

    async def _write(self, pool: PoolDir, source: Disk, made: Disk, from_bytes: int, size_bytes: int) -> None:
        """Make a disk that holds all that `source` shows, whose files are `from_bytes` long."""
        await self._qemu_img.create(made, size_bytes)
        await asyncio.to_thread(hand_to_qemu, made.path, pool)
        await self._qemu_img.copy(source, made, copy_bounds(from_bytes, size_bytes))
        await asyncio.to_thread(_refuse_other_disk, made, size_bytes)


def _made(place: VolumePlace, recipe: Recipe) -> Disk:
    """The disk that is to be: on the image that its source is, or stands on, where it shares that."""
    base, origin = recipe.base, recipe.origin
    shared, driver = "", ""
    if base is not None and not recipe.full_copy:
        shared, driver = base.image_uid, base.driver
    elif origin is not None and not recipe.full_copy and origin.place.pool == place.directory:
        shared, driver = origin.image_uid, origin.driver
    image = place.directory / "images" / shared if shared else None
    return Disk(place.directory, place.data, "qcow2", image, driver, recipe.passphrase)


def _source(pool: PoolDir, recipe: Recipe) -> Disk | None:
    """What it is made from, None for nothing."""
    base, origin = recipe.base, recipe.origin
    if base is not None:
        return Disk(pool.path, pool.image(base.image_uid), base.driver)
    if origin is None:
        return None
    root = origin.place.directory
    image = root / "images" / origin.image_uid if origin.image_uid else None
    return Disk(root, origin.place.data, "qcow2", image, origin.driver, recipe.origin_passphrase)


def _disk(place: VolumePlace, found: DiskFile, passphrase: str) -> Disk:
    image = place.directory / "images" / found.image_uid if found.image_uid else None
    return Disk(place.directory, place.data, "qcow2", image, found.backing_driver, passphrase)


def _refuse_other_disk(made: Disk, size_bytes: int) -> None:
    """Believe nothing of a disk that was written by what had read an image from outside."""
    place = VolumePlace(made.root, made.path.parent.name)
    disk = read_volume(place)
    image = made.backing.name if made.backing else ""
    wanted = (size_bytes, image, bool(made.passphrase))
    if disk is None or (disk.capacity_bytes, disk.image_uid, disk.encrypted) != wanted:
        raise _another_disk(place)
    if image or made.passphrase:
        return
    with opened_file(place.directory, "volumes", place.handle, "data") as file:
        head, size = file.read(HEAD_BYTES), os.fstat(file.fileno()).st_size
    facts = inspect_image(head, size, ImageFormat.QCOW2, size_bytes)
    if facts.virtual_size_bytes != size_bytes:
        raise _another_disk(place)


def _another_disk(place: VolumePlace) -> InvariantError:
    return as_error(InvariantError, "DataDamaged", path=place.data, said=OTHER_DISK)
