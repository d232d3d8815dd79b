"""Brings a disk of this host into a pool in Ceph.

Used by the image part and by the makers of disks. A file from outside is read in the sandbox, which has no
network, and written as a disk of ours; that one, or a raw file, in which there is nothing to read, goes into
Ceph by a process without privileges.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from quantix_api.disk_image import HEAD_BYTES, ImageFormat, inspect_image
from quantix_hostd.clients.ceph_library import rbd
from quantix_hostd.clients.image_account import ImageAccount
from quantix_hostd.clients.no_follow import opened_file
from quantix_hostd.clients.pool_dir import PoolDir, remove_tree
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.qemu_img import Disk, QemuImg
from quantix_hostd.clients.qemu_rbd import DiskFileEnd, RbdImage, convert
from quantix_hostd.copy_bounds import copy_bounds
from quantix_hostd.thread_calls import to_the_end

# layering, exclusive-lock, object-map, fast-diff, deep-flatten
FEATURES = 61
_SECTOR_BYTES = 512
# written in the sandbox, read by who copies it
_PLAIN_MODE = 0o660


class RbdImport:
    """One for a process. `account`: as whom disks are copied into Ceph, None as this process."""

    def __init__(self, qemu_img: QemuImg, account: ImageAccount | None) -> None:
        self._qemu_img = qemu_img
        self._account = account

    async def fill(self, pool: PoolRbd, name: str, source: Disk, size_bytes: int) -> None:
        """Make the RBD image `name` with all that `source` shows, a disk of `size_bytes`.

        Raises QuantixError and OSError.
        """
        size_bytes = -(-size_bytes // _SECTOR_BYTES) * _SECTOR_BYTES
        await to_the_end(lambda _: create_blank(pool, name, size_bytes))
        if source.driver == "raw" and source.backing is None:
            await self._send(pool, name, DiskFileEnd(source.path, "raw"), size_bytes)
            return
        stored_bytes = await asyncio.to_thread(_length, source)
        # a draft of this host (`PoolDir.sweep_drafts`)
        plain = pool.staging.volumes / f".{name}.new"
        bounds = copy_bounds(stored_bytes, size_bytes)
        try:
            await asyncio.to_thread(remove_tree, plain)
            target = Disk(pool.staging.path, plain)
            await self._qemu_img.create(target, size_bytes)
            await asyncio.to_thread(_give_to_readers, pool.staging, source, plain)
            await self._qemu_img.copy(source, target, bounds)
            await asyncio.to_thread(_refuse_other_disk, plain, size_bytes)
            await self._send(pool, name, DiskFileEnd(plain, "qcow2"), size_bytes)
        finally:
            await asyncio.to_thread(remove_tree, plain)

    async def _send(self, pool: PoolRbd, name: str, end: DiskFileEnd, size_bytes: int) -> None:
        target = RbdImage(pool.known_access(), name)
        readers = (await asyncio.to_thread(end.path.stat)).st_gid
        account = _as_user(self._account, readers) if self._account is not None else ()
        await convert(end, target, copy_bounds(size_bytes, size_bytes).wall_s, account)


def create_blank(pool: PoolRbd, name: str, size_bytes: int) -> None:
    """Make an RBD image without data. Blocks; raises TransientError."""
    with pool.ceph.opened(pool.key) as ioctx:
        rbd().RBD().create(ioctx, name, size_bytes, old_format=False, features=FEATURES)


def _as_user(account: ImageAccount, group: int) -> Sequence[str]:
    drop = ("--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")
    return ("setpriv", f"--reuid={account.uid}", f"--regid={group}", *drop)


def _length(source: Disk) -> int:
    paths = [source.path] if source.backing is None else [source.path, source.backing]
    return sum(path.stat().st_size for path in paths)


def _give_to_readers(staging: PoolDir, source: Disk, plain: Path) -> None:
    """What a volume holds is read by nobody who reads images."""
    is_image = source.path.parent.name == "images"
    (staging.owner_of_images if is_image else staging.owner).give(plain)
    plain.chmod(_PLAIN_MODE)


def _refuse_other_disk(plain: Path, size_bytes: int) -> None:
    """Believe nothing of a disk that was written by what had read a file from outside."""
    with opened_file(plain.parent, plain.name) as file:
        head, length = file.read(HEAD_BYTES), os.fstat(file.fileno()).st_size
    inspect_image(head, length, ImageFormat.QCOW2, size_bytes)
