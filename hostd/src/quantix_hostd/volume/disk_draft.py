"""The steps by which the directory of a volume in a `dir` pool comes to be, and goes. Used by `disk_file` and
its callers. Everything here blocks.
"""

from __future__ import annotations

import os
from pathlib import Path

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_hostd.clients.copied_files import shares_blocks
from quantix_hostd.clients.files import sync_directory
from quantix_hostd.clients.no_follow import opened_file
from quantix_hostd.clients.pool_dir import PoolDir, remove_tree
from quantix_hostd.clients.qemu_img import Disk

_DIRECTORY_MODE = 0o710
_FILE_MODE = 0o660


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


def begin_draft(draft: Path, pool: PoolDir) -> None:
    """An empty directory for the volume that is to be."""
    remove_tree(draft)
    draft.mkdir(mode=0o700)
    draft.chmod(_DIRECTORY_MODE)
    pool.owner.give(draft)


def hand_to_qemu(data: Path, pool: PoolDir) -> None:
    """Let QEMU write to the disk file, and have it on disk."""
    pool.owner.give(data)
    data.chmod(_FILE_MODE)
    descriptor = os.open(data, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish_draft(draft: Path, final: Path) -> None:
    """Make the draft the volume. Raises TransientError (VolumeInUse) when there is one."""
    sync_directory(draft)
    try:
        draft.rename(final)
    except OSError as error:
        raise as_error(TransientError, "VolumeInUse", handle=final.name) from error
    sync_directory(final.parent)


def reflinked(source: Disk, target: Path) -> bool:
    """Share the blocks of a file, where the file system can."""
    names = source.path.relative_to(source.root).parts
    with opened_file(source.root, *names) as original, target.open("xb") as copy:
        shared = shares_blocks(original.fileno(), copy.fileno())
    if not shared:
        target.unlink()
    return shared
