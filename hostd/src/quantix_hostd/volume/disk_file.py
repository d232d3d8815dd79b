"""The disk file of a volume in a `dir` pool: made whole or not at all, grown, looked at, removed.

Called by the volume controller, and by the VM's start for growing (under the claim that the start has
taken). Work on a volume that no QEMU has takes its claim first (ha.md, section Ownership). A volume being
made is none yet: it lies in a directory of another name, gets its claim there, and becomes the volume by one
rename.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from quantix_api.errors import InvariantError, QuantixError, TransientError
from quantix_api.messages import as_error
from quantix_hostd.claims import ClaimStore, VolumePlace, new_claim
from quantix_hostd.clients.files import sync_directory
from quantix_hostd.clients.no_follow import opened_file
from quantix_hostd.clients.pool_dir import PoolDir, remove_tree
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.volume.recipe import Recipe

_DIRECTORY_MODE = 0o710
_FILE_MODE = 0o660
# linux/fs.h: FICLONE, _IOW(0x94, 9, int)
_FICLONE = 0x40049409
_QCOW2_MAGIC = b"QFI\xfb"
# QEMU's docs/interop/qcow2.txt: the name lies in the first cluster, and a cluster has 2 MiB at most
_MAX_BACKING_BYTES = 1023
_MAX_CLUSTER_BYTES = 2 << 20

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class DiskFile:
    """What lies in the pool now."""

    capacity_bytes: int
    backing: str
    """The backing file's name as the file says it, "" when it stands alone."""


def read_volume(place: VolumePlace) -> DiskFile | None:
    """The disk of a volume in its pool, as `read_disk_file`."""
    return read_disk_file(place.pool_path, "volumes", place.handle, "data")


def read_disk_file(root: Path, *names: str) -> DiskFile | None:
    """Read the header of one of our own disks below `root`, in use or not; None when there is no file.

    Raises InvariantError (DataDamaged) when it is no qcow2 (we make nothing else), and as `opened_file`.
    """
    try:
        with opened_file(root, *names) as file:
            head = file.read(32)
            if len(head) < 32 or not head.startswith(_QCOW2_MAGIC):
                raise _no_disk(root.joinpath(*names))
            offset, length, _, size = struct.unpack_from(">QIIQ", head, 8)
            if offset > _MAX_CLUSTER_BYTES or length > _MAX_BACKING_BYTES:
                raise _no_disk(root.joinpath(*names))
            file.seek(offset)
            backing = file.read(length).decode("utf-8", errors="replace") if offset else ""
    except FileNotFoundError:
        return None
    return DiskFile(size, backing)


def _no_disk(path: Path) -> InvariantError:
    return as_error(InvariantError, "DataDamaged", path=path, said="it is no qcow2 disk")


def file_size_bytes(root: Path, *names: str) -> int:
    """The size of a raw disk. Raises FileNotFoundError, and as `opened_file`."""
    with opened_file(root, *names) as file:
        return os.fstat(file.fileno()).st_size


def volumes_based_on(pool: PoolDir, image_uid: str) -> list[Path]:
    """The volumes of the pool whose backing file is this image. Blocks.

    What is no disk is skipped where no volume of ours can be meant. Raises as `read_disk_file` for others.
    """
    found = []
    for directory in pool.volumes.iterdir():
        try:
            disk = read_volume(VolumePlace(pool.path, directory.name))
        except QuantixError as error:
            if error.reason != "DataDamaged" or not _is_foreign(directory):
                raise
            log.warning("foreign entry of a pool skipped", path=str(directory), error=error.message)
            continue
        if disk is not None and disk.backing.endswith(f"/images/{image_uid}"):
            found.append(directory)
    return found


def _is_foreign(entry: Path) -> bool:
    """Whether it is neither a volume, which has its claim before it has its name, nor a draft of one, nor a
    link that may stand for either.
    """
    if entry.name.startswith(".") or entry.is_symlink():
        return False
    return not entry.is_dir() or not os.path.lexists(entry / "claim")


class DiskFileMaker:
    """Makes and removes the files of volumes; `cluster_uid` goes into their claims."""

    def __init__(self, qemu_img: QemuImg, claims: ClaimStore, cluster_uid: str) -> None:
        self._qemu_img = qemu_img
        self._claims = claims
        self._cluster_uid = cluster_uid

    async def make(self, pool: PoolDir, recipe: Recipe, is_wanted: Callable[[], bool] = lambda: True) -> bool:
        """Make the volume; False when it was not wanted any more in the end, and became none. What is already
        there stays as it is.

        Raises TransientError (PoolFull; or, when another host made it meanwhile, VolumeInUse).
        """
        if pool.volume(recipe.handle).exists():
            return True
        draft = pool.volumes / pool.volume_draft_name(recipe.handle)
        try:
            await asyncio.to_thread(_begin, draft, pool)
            place = VolumePlace(pool.path, draft.name)
            await self._fill(place, pool, recipe)
            await asyncio.to_thread(_hand_to_qemu, place.data, pool)
            await asyncio.to_thread(self._claims.create, place, new_claim(self._cluster_uid))
            wanted = is_wanted()
            if wanted:
                await asyncio.to_thread(_publish, draft, pool.volume(recipe.handle))
            return wanted
        finally:
            await asyncio.to_thread(remove_tree, draft)

    async def grow(self, place: VolumePlace, size_bytes: int) -> None:
        """Make a disk that nobody has open at least `size_bytes` large; the caller holds its claim."""
        found = await asyncio.to_thread(read_volume, place)
        if found is None:
            raise as_error(TransientError, "DataMissing", place=place.data)
        if found.capacity_bytes < size_bytes:
            await self._qemu_img.grow(place.data, size_bytes)

    async def _fill(self, place: VolumePlace, pool: PoolDir, recipe: Recipe) -> None:
        base, data = recipe.base, place.data
        if base is None:
            await self._qemu_img.create_blank(data, recipe.final_size_bytes)
            return
        if not recipe.full_copy:
            backing = f"../../images/{base.image_uid}"
            await self._qemu_img.create_overlay(data, backing, base.driver, recipe.final_size_bytes)
            return
        if base.driver != "qcow2" or not await asyncio.to_thread(_reflinked, pool, base.image_uid, data):
            await self._qemu_img.copy(pool.image(base.image_uid), base.driver, data)
        await self.grow(place, recipe.final_size_bytes)


def draft_size_bytes(pool: PoolDir, handle: str) -> int:
    """How much of the pool the volume takes that this host is making; 0 while there is nothing. Blocks."""
    try:
        return (pool.volumes / pool.volume_draft_name(handle) / "data").stat().st_blocks * 512
    except FileNotFoundError:
        return 0


def remove_volume(pool: PoolDir, handle: str) -> bool:
    """Remove a volume with all its data: it is gone at once, whatever happens while its space is freed.

    The caller holds its claim. False when there was none. Blocks.
    """
    place = pool.volume(handle)
    if not place.exists():
        return False
    doomed = pool.volumes / pool.volume_draft_name(handle)
    remove_tree(doomed)
    place.rename(doomed)
    sync_directory(pool.volumes)
    remove_tree(doomed)
    return True


def _begin(draft: Path, pool: PoolDir) -> None:
    remove_tree(draft)
    draft.mkdir(mode=0o700)
    draft.chmod(_DIRECTORY_MODE)
    pool.owner.give(draft)


def _hand_to_qemu(data: Path, pool: PoolDir) -> None:
    pool.owner.give(data)
    data.chmod(_FILE_MODE)
    descriptor = os.open(data, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _publish(draft: Path, final: Path) -> None:
    sync_directory(draft)
    try:
        draft.rename(final)
    except OSError as error:
        raise as_error(TransientError, "VolumeInUse", handle=final.name) from error
    sync_directory(final.parent)


def _reflinked(pool: PoolDir, image_uid: str, target: Path) -> bool:
    """Share the blocks of the image, where the file system can."""
    with opened_file(pool.path, "images", image_uid) as original, target.open("xb") as copy:
        try:
            fcntl.ioctl(copy.fileno(), _FICLONE, original.fileno())
        except OSError:
            shared = False
        else:
            shared = True
    if not shared:
        target.unlink()
    return shared
