"""What disks take of their pools, and what copies of them will.

Used by whoever makes, moves or counts volumes. All but `copy_bytes` block.
"""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

from quantix_api.errors import QuantixError, TransientError
from quantix_api.messages import as_error
from quantix_hostd.claims import VolumePlace
from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.qemu_img import Disk, QemuImg
from quantix_hostd.volume.disk_header import file_size_bytes, read_disk_file

_BLOCK_BYTES = 512
# whichever is less
_ROOM_BYTES, _ROOM_PERCENT = 64 * 1024**2, 5


def draft_size_bytes(pool: Pool, handle: str) -> int:
    """How much of the pool the volume takes that this host is making; 0 while there is nothing."""
    if isinstance(pool, PoolRbd):
        return pool.drafted_bytes(handle)
    try:
        return _blocks_bytes(pool.volumes / pool.volume_draft_name(handle) / "data")
    except FileNotFoundError:
        return 0


def stored_bytes(place: VolumePlace) -> int:
    """About what a copy of the disk that stands alone takes: with the image below it.

    Raises OSError, and as `read_disk_file`.
    """
    disk = read_disk_file(place.directory, "volumes", place.handle, "data")
    base = place.data.parent / disk.backing if disk is not None and disk.backing else None
    below = _blocks_bytes(base) if base is not None and base.exists() else 0
    return _blocks_bytes(place.data) + below


def own_bytes(place: VolumePlace) -> int:
    """What the disk takes without the image below it. Raises OSError."""
    return _blocks_bytes(place.data)


def length_bytes(source: Disk) -> int:
    """The length of a disk's file and of the image beneath it. Raises TransientError (DataMissing), and
    DataDamaged where one is no file.
    """
    paths = [source.path] if source.backing is None else [source.path, source.backing]
    try:
        return sum(file_size_bytes(source.root, *path.relative_to(source.root).parts) for path in paths)
    except FileNotFoundError as error:
        raise as_error(TransientError, "DataMissing", place=source.path) from error


async def copy_bytes(qemu_img: QemuImg, source: Disk, shared: Path | None) -> int | None:
    """What a copy of `source` will take at most, which stands on the image `shared` or, None, alone. None
    where that is not known: the copy itself tells why.

    What an image holds compressed its copy does not, so QEMU counts that.
    """
    is_image = source.path.is_relative_to(source.root / "images")
    try:
        if is_image:
            return await qemu_img.measure(source.path, source.driver)
        own = await asyncio.to_thread(_blocks_bytes, source.path)
        if source.backing is None or source.backing == shared:
            return own
        return own + await qemu_img.measure(source.backing, source.backing_driver)
    except (QuantixError, OSError):
        return None


def without_room(directory: Path) -> str:
    """Why its file system has no room for what a guest writes next; "" where it has."""
    try:
        space = os.statvfs(directory)
    except OSError as error:
        return error.strerror or str(error)
    if space.f_flag & os.ST_RDONLY:
        return os.strerror(errno.EROFS)
    needed = min(_ROOM_BYTES, space.f_blocks * space.f_frsize * _ROOM_PERCENT // 100)
    return "" if space.f_bavail * space.f_frsize >= needed else os.strerror(errno.ENOSPC)


def _blocks_bytes(path: Path) -> int:
    return path.stat().st_blocks * _BLOCK_BYTES
