"""Files that are there whole or not at all, with the owner that QEMU needs.

Used by the seed, image and volume parts and by join. Everything here blocks: call it from a thread.
"""

from __future__ import annotations

import errno
import os
import pwd
import secrets
from dataclasses import dataclass
from pathlib import Path

from quantix_api.errors import TransientError


@dataclass(frozen=True)
class FileOwner:
    """Who a file belongs to; QEMU runs as another user and reads by its group."""

    uid: int
    gid: int

    @classmethod
    def current(cls) -> FileOwner:
        """Ourselves: for tests, and for files that QEMU does not read."""
        return cls(os.getuid(), os.getgid())

    @classmethod
    def of_qemu(cls, user: str) -> FileOwner:
        """root, and the main group of the user that QEMU runs as. Raises KeyError when there is none."""
        return cls(0, pwd.getpwnam(user).pw_gid)

    def give(self, path: Path) -> None:
        os.chown(path, self.uid, self.gid, follow_symlinks=False)


def explained(error: OSError, what: str) -> TransientError:
    """What the operating system refused to do with `what`, such as a path, in words for a user."""
    said = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        text = f"There is no room for {what}. Said: {said}."
        return TransientError("PoolFull", text, "delete volumes or images, or add disks")
    text = f"{what} cannot be used. Said: {said}."
    return TransientError("PoolUnreachable", text, "bring the pool back; it goes on by itself")


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


def sync_directory(path: Path) -> None:
    """Make what was created, renamed or removed in `path` survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
