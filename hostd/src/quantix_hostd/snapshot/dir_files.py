"""The files of snapshots in a `dir` pool, each set in a directory of its own:

```
<pool>/snapshots/<uid>-<disk>/data     a disk
<pool>/snapshots/<uid>/state           what firmware and TPM remembered, where they did
<pool>/snapshots/<uid>/memory          the guest's memory, where it was asked for
<pool>/snapshots/.<set>.<host>.new/    being made
```
Used by the storage of snapshots. Everything here blocks.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from quantix_hostd.claims import VolumePlace
from quantix_hostd.clients.copied_files import copy_file
from quantix_hostd.clients.files import make_passages, sync_directory
from quantix_hostd.clients.pool_dir import PoolDir, remove_tree
from quantix_hostd.volume.disk_draft import begin_draft, hand_to_qemu, publish_draft

MEMORY = "memory"
BLOCK_BYTES = 512
"""stat(2), st_blocks."""
_RESTORED = ".restored"


def draft_of(pool: PoolDir, name: str) -> Path:
    """The directory in which a set is made."""
    return pool.snapshots / pool.volume_draft_name(name)


def set_at(pool: PoolDir, name: str) -> Path:
    """The directory of a set that is whole."""
    return pool.snapshots / pool.volume(name).name


def begin_set(pool: PoolDir, name: str) -> Path:
    """An empty directory for it."""
    make_passages(pool.snapshots)
    draft = draft_of(pool, name)
    begin_draft(draft, pool)
    return draft


def copy_disk(pool: PoolDir, source: VolumePlace, name: str, goes_on: Callable[[], bool]) -> bool:
    """Make the set of a disk that nobody writes to, as that is; False where `goes_on` said no."""
    data = begin_set(pool, name) / "data"
    if not copy_file(source.directory, (source.folder, source.handle, "data"), data, goes_on):
        return False
    hand_to_qemu(data, pool)
    return True


def publish_set(pool: PoolDir, name: str) -> None:
    """Make the draft the set; one that is there already stays as it is."""
    draft, final = draft_of(pool, name), set_at(pool, name)
    if not draft.is_dir():
        return
    for path in draft.iterdir():
        _sync(path)
    publish_draft(draft, final)


def remove_set(pool: PoolDir, name: str) -> bool:
    """The set, and what is there of one that was not finished; False for nothing."""
    if not pool.snapshots.is_dir():
        return False
    draft, final = draft_of(pool, name), set_at(pool, name)
    removed = remove_tree(draft)
    if final.is_dir():
        # at once it is none any more, however long its data takes
        final.rename(draft)
        sync_directory(pool.snapshots)
        removed |= remove_tree(draft)
    return removed


def put_back(pool: PoolDir, source: VolumePlace, volume: VolumePlace, goes_on: Callable[[], bool]) -> None:
    """Make a copy of a set's disk beside the volume's, whose claim the caller holds; none is left where
    `goes_on` says no.
    """
    directory = pool.volume(volume.handle)
    beside = directory / _RESTORED
    remove_tree(beside)
    if copy_file(source.directory, (source.folder, source.handle, "data"), beside, goes_on):
        hand_to_qemu(beside, pool)
    else:
        remove_tree(beside)


def put_back_bytes(pool: PoolDir, volume: VolumePlace) -> int:
    """What there is of that copy."""
    try:
        return (pool.volume(volume.handle) / _RESTORED).stat().st_blocks * BLOCK_BYTES
    except FileNotFoundError:
        return 0


def forget_put_back(pool: PoolDir, volume: VolumePlace) -> None:
    """Remove that copy."""
    remove_tree(pool.volume(volume.handle) / _RESTORED)


def switch_back(pool: PoolDir, volume: VolumePlace) -> None:
    """Let that copy be the volume's disk."""
    directory = pool.volume(volume.handle)
    (directory / _RESTORED).rename(directory / "data")
    sync_directory(directory)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
