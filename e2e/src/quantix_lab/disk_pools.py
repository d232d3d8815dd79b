"""Pools of the real accounts and file systems, for contract tests of what hostd keeps in them. Needs root."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantix_api.accounts import IMAGE_USER, QEMU_USER
from quantix_hostd.clients.image_account import ImageAccount
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.qemu_account import QemuAccount

QEMU = QemuAccount.look_up(QEMU_USER, QEMU_USER)
IMAGES = ImageAccount.look_up(IMAGE_USER, QEMU_USER)
_XFS_BYTES = 320 << 20
"""mkfs.xfs makes nothing below 300 MB."""


def pool_at(path: Path, name: str = "local") -> PoolDir:
    """An empty pool of host h1, made at `path`."""
    made = PoolDir(name, path, QEMU.files, "h1", IMAGES.files)
    made.prepare(create=True)
    return made


def pool_with_image(path: Path) -> PoolDir:
    """The same with image 1111, a qcow2 of 64 MiB whose first MiB holds sevens; called as its directory."""
    made = pool_at(path, path.name)
    image = made.image("1111")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "64M"], check=True)
    write = ["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 1M"]
    subprocess.run([*write, image], check=True, capture_output=True)
    return made


@contextmanager
def xfs(folder: Path) -> Iterator[Path]:
    """A directory in `folder` that is an XFS file system, which shares blocks between files (reflink)."""
    disk, mountpoint = folder / "xfs.img", folder / "mnt"
    mountpoint.mkdir()
    with disk.open("wb") as file:
        file.truncate(_XFS_BYTES)
    subprocess.run(["mkfs.xfs", "-q", disk], check=True)
    subprocess.run(["mount", "-o", "loop", disk, mountpoint], check=True)
    try:
        yield mountpoint
    finally:
        subprocess.run(["umount", mountpoint], check=True)
