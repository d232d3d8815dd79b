"""Copies a file as it is: shared blocks where the file system can, else its data with its holes.

Used by the room of snapshots and the makers of disks, for disk files that nobody writes to. What they hold
stays encrypted if it is, since nothing of it is read. Everything here blocks.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from quantix_hostd.clients.no_follow import opened_file

# linux/fs.h: FICLONE, _IOW(0x94, 9, int)
_FICLONE = 0x40049409
_STEP_BYTES = 16 << 20


def copy_file(root: Path, names: tuple[str, ...], target: Path, goes_on: Callable[[], bool]) -> bool:
    """Make the file `target` as the one at `names` below `root` is; False where `goes_on` said no.

    Raises OSError, and as `opened_file`.
    """
    with opened_file(root, *names) as original, target.open("xb") as copy:
        source, made = original.fileno(), copy.fileno()
        if shares_blocks(source, made):
            return True
        size = os.fstat(source).st_size
        os.truncate(made, size)
        return all(_copied(source, made, begin, end, goes_on) for begin, end in _extents(source, size))


def shares_blocks(source: int, made: int) -> bool:
    """Let the empty file `made` hold what `source` does, by the same blocks; both are descriptors. False
    where the file system cannot.
    """
    try:
        fcntl.ioctl(made, _FICLONE, source)
    except OSError:
        return False
    return True


def _extents(source: int, size: int) -> list[tuple[int, int]]:
    """Where the file has data (lseek(2), SEEK_DATA)."""
    found, at = [], 0
    while at < size:
        try:
            begin = os.lseek(source, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break
        at = os.lseek(source, begin, os.SEEK_HOLE)
        found.append((begin, at))
    return found


def _copied(source: int, made: int, begin: int, end: int, goes_on: Callable[[], bool]) -> bool:
    at = begin
    while at < end:
        if not goes_on():
            return False
        at += os.copy_file_range(source, made, min(_STEP_BYTES, end - at), at, at)
    return True
