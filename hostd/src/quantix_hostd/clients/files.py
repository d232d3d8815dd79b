"""Files that are there whole or not at all, with the owner that QEMU needs.

Used by the first-boot, image and volume parts and by join. Everything here blocks: call it from a thread.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from quantix_api.errors import TransientError
from quantix_api.layout import PASSAGE
from quantix_api.messages import as_error

_SOCKET_MODE = 0o600


@dataclass(frozen=True)
class FileOwner:
    """Who a file belongs to; QEMU runs as another user and reads by its group."""

    uid: int
    gid: int

    @classmethod
    def current(cls) -> FileOwner:
        """Ourselves: for tests, and for files that QEMU does not read."""
        return cls(os.getuid(), os.getgid())

    def give(self, path: Path) -> None:
        os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def correct(self, path: Path) -> bool:
        """Give `path` to this owner unless it is its already; True when it was not. Raises OSError."""
        found = path.lstat()
        if (found.st_uid, found.st_gid) == (self.uid, self.gid):
            return False
        self.give(path)
        return True


def explained(error: OSError, what: str) -> TransientError:
    """What the operating system refused to do with `what`, such as a path or "the data of volume x", in words
    for a user.
    """
    said = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return as_error(TransientError, "PoolFull", what=what, said=said)
    return as_error(TransientError, "PoolUnreachable", what=what, said=said)


def write_atomically(
    path: Path, content: bytes, *, mode: int = 0o600, owner: FileOwner | None = None
) -> None:
    """Replace `path` by `content`: after a crash there is the old file or the new one, never a part.

    Raises OSError.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if owner is not None:
                os.fchown(file.fileno(), owner.uid, owner.gid)
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        draft.rename(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def close_socket(path: Path) -> bool:
    """Let only its owner and root connect to the socket at `path`; True when others could.

    QEMU's user may write in that directory: what is no socket, or a link to one, is left alone. Raises
    OSError.
    """
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISSOCK(mode) or stat.S_IMODE(mode) == _SOCKET_MODE:
            return False
        # fchmod(2) refuses a descriptor of O_PATH
        Path(f"/proc/self/fd/{descriptor}").chmod(_SOCKET_MODE)
    finally:
        os.close(descriptor)
    return True


def make_passages(path: Path) -> None:
    """Make the directory and what is missing above it: QEMU's user passes, whatever our umask. What is there,
    or is made by another thread meanwhile, stays as it is. Raises OSError.
    """
    for directory in (*reversed(path.parents), path):
        if directory.is_dir():
            continue
        try:
            directory.mkdir()
            directory.chmod(PASSAGE)
        except FileExistsError:
            if not directory.is_dir():
                raise


def sync_directory(path: Path) -> None:
    """Make what was created, renamed or removed in `path` survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
