"""The directory of a `dir` pool: where images and volumes lie in it, made with the owner that QEMU needs.

```
<path>/images/<image uid>            0440  base images, never written again
<path>/images/<volume uid>           0440  sent for a volume, until that is made of it
<path>/images/.<uid>.<host>.part     0600  being received
<path>/images/.<uid>.<host>.note     0600  how far, and what of (transfer.draft)
<path>/volumes/<handle>/data         0660  qcow2
<path>/volumes/<handle>/claim        0600  who may write it (claims)
<path>/volumes/.<handle>.<host>.new/       a volume being made
<path>/snapshots/<uid>-<disk>/data   0660  qcow2, of a snapshot (`snapshot.dir_files`)
<path>/snapshots/<uid>/              0710  what else is of it
```
Used by the image, volume and host parts. Names come from UIDs only. Everything here blocks: call it from a
thread.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from quantix_api.errors import InvariantError, TransientError
from quantix_api.messages import as_error
from quantix_hostd.claims import VolumePlace
from quantix_hostd.clients.files import FileOwner, make_passages, sync_directory
from quantix_hostd.clients.no_follow import opened_directory

_OURS = ("images", "volumes")
_DRAFTS = frozenset({".part", ".note", ".new"})
_KEPT = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY})
_HANDLE = re.compile(r"[a-z0-9][-a-z0-9]{0,99}")


class PoolPlaceError(TransientError):
    """The place of a pool is wrong on this host, or is not there: its reason is one of the pool's Ready."""


@dataclass(frozen=True)
class Space:
    """Bytes of the file system that the pool lies on, or that Ceph gives it. `full`: why no write is taken
    there, "" while they are; a file system says that by its figures.
    """

    capacity_bytes: int
    available_bytes: int
    full: str = ""


@dataclass(frozen=True)
class Remains:
    """What stays of a pool that was deleted: `names` in the directory `path`."""

    path: Path
    names: tuple[str, ...]


@dataclass(frozen=True)
class PoolDir:
    """One pool on this host. `owner` (of volumes) is root with QEMU's group, `image_owner` root with that of
    images (None: as volumes); `host` marks what this host is making.
    """

    name: str
    path: Path
    owner: FileOwner
    host: str
    image_owner: FileOwner | None = None

    @property
    def owner_of_images(self) -> FileOwner:
        return self.image_owner or self.owner

    @property
    def key(self) -> Path:
        """By which this host knows it."""
        return self.path

    @property
    def received(self) -> PoolDir:
        """Where files from outside are received for it: in itself."""
        return self

    @property
    def images(self) -> Path:
        return self.path / "images"

    @property
    def volumes(self) -> Path:
        return self.path / "volumes"

    @property
    def snapshots(self) -> Path:
        """Made with the first."""
        return self.path / "snapshots"

    def image(self, uid: str) -> Path:
        """Where the image with this UID lies, or will lie."""
        return self.images / checked_handle(uid)

    def image_draft(self, uid: str) -> Path:
        """Where this host receives it; nobody reads it there."""
        return self.images / f".{checked_handle(uid)}.{self.host}.part"

    def image_note(self, uid: str) -> Path:
        """Beside the draft: by what a broken transfer goes on."""
        return self.images / f".{checked_handle(uid)}.{self.host}.note"

    def has_image(self, uid: str) -> bool:
        """Whether the image is there whole."""
        return self.image(uid).exists()

    def has_any_of(self, handle: str) -> bool:
        """Whether anything of a volume is there."""
        return self.volume(handle).exists()

    def volume(self, handle: str) -> Path:
        """The directory of a volume."""
        return self.volumes / checked_handle(handle)

    def place(self, handle: str) -> VolumePlace:
        """The volume, as claims name it."""
        return VolumePlace(self.path, checked_handle(handle))

    def volume_draft_name(self, handle: str) -> str:
        """The name of the directory in which this host makes a volume."""
        return f".{checked_handle(handle)}.{self.host}.new"

    def prepare(self, *, create: bool, used_before: bool = False) -> None:
        """Make sure that the pool's directories are there; the pool's own only with `create`.

        A pool that was `used_before` on this host and has no `volumes` is an empty mount point: nothing is
        made in it. Raises PoolPlaceError (DirectoryMissing) or TransientError (PoolUnreachable).
        """
        about = {"host": self.host, "pool": self.name}
        try:
            for directory in (self.path, self.images, self.volumes):
                if directory.is_symlink():
                    # claims and disks are opened without following links, from the pool's directory on
                    raise as_error(TransientError, "PoolUnreachable", **about, link=directory)
            if not (create or self.path.is_dir()):
                raise as_error(PoolPlaceError, "DirectoryMissing", **about, path=self.path)
            if used_before and not self.volumes.is_dir():
                raise as_error(TransientError, "PoolUnreachable", **about, empty=self.path)
            make_passages(self.path)
            for directory in (self.images, self.volumes):
                make_passages(directory)
        except OSError as error:
            raise as_error(TransientError, "PoolUnreachable", **about, path=self.path, said=error) from error

    def space(self) -> Space:
        """Raises OSError."""
        status = os.statvfs(self.path)
        return Space(status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize)

    def correct_owners(self) -> int:
        """Give to its group what an older version gave to another; returns how many things changed. What
        lay there before the pool, under a name or with an owner that is none of ours, stays as it is.

        Guests that run are not disturbed: QEMU has its files open. Raises OSError.
        """
        images = self.images.iterdir() if self.images.is_dir() else ()
        volumes = self.volumes.iterdir() if self.volumes.is_dir() else ()
        bases = [path for path in images if self._may_be_ours(path)]
        ours: list[Path] = []
        for directory in filter(self._may_be_ours, volumes):
            ours += [path for path in (directory, directory / "data") if path.exists()]
        corrected = sum(self.owner_of_images.correct(path) for path in bases)
        return corrected + sum(self.owner.correct(path) for path in ours if not path.is_symlink())

    def _may_be_ours(self, path: Path) -> bool:
        """Whether this is no link, and named and owned as what we make."""
        is_named = _HANDLE.fullmatch(path.name) is not None and not path.is_symlink()
        return is_named and path.lstat().st_uid == self.owner.uid

    def sweep_drafts(self, wanted: frozenset[str] = frozenset()) -> int:
        """Remove what an earlier run of this host left half-made, but for drafts of `wanted` images and
        volumes (UIDs), which may be gone on with; returns how many things went.
        """
        kept = {path.name for uid in wanted for path in (self.image_draft(uid), self.image_note(uid))}
        ours = self._is_draft
        return sum(
            _remove_in(lambda name, _: ours(name) and name not in kept, self.path, directory)
            for directory in _OURS
        )

    def _is_draft(self, name: str) -> bool:
        """Whether this host is making what has this name, or was."""
        return name.startswith(".") and f".{self.host}." in name and Path(name).suffix in _DRAFTS

    def put_away(self, images: Collection[str], *, is_own: bool) -> Remains | None:
        """Remove what was made here for a pool that is no more: drafts, the files of `images` (UIDs), and the
        directories once they are empty, the pool's own only where we made it (`is_own`). Returns what stays.

        Nothing in `volumes` and `snapshots` is ever removed, and while anything is in them no image goes: a
        volume stands on its image, and none can be made once the directory is gone. No link is followed on
        the way either, also not one that somebody puts there meanwhile: `path` has none. Raises OSError and
        TransientError.
        """
        linked = [path.name for path in (self.images, self.volumes, self.snapshots) if path.is_symlink()]
        if linked or self.path.is_symlink():
            return Remains(self.path, tuple(linked))
        root, *names = Path("/"), *self.path.parts[1:]
        for directory in _OURS:
            _remove_in(lambda name, _: self._is_draft(name), root, *names, directory)
        for kept in (self.snapshots, self.volumes):
            if left := _remove_empty(kept):
                return Remains(kept, left)
        _remove_in(lambda name, file: name in images and self._is_image(file), root, *names, "images")
        if left := _remove_empty(self.images):
            return Remains(self.images, left)
        if is_own:
            _remove_empty(self.path)
        return None

    def _is_image(self, found: os.stat_result) -> bool:
        """Whether this is a file with the owner that we give to images."""
        owner = self.owner_of_images
        return stat.S_ISREG(found.st_mode) and (found.st_uid, found.st_gid) == (owner.uid, owner.gid)


def _remove_in(unwanted: Callable[[str, os.stat_result], bool], root: Path, *names: str) -> int:
    """Remove what is `unwanted` in the directory at `names` below `root`, where there is one, and tell how
    many that were. No link below `root` is followed. Raises TransientError.
    """
    removed = 0
    try:
        with opened_directory(root, *names) as directory, os.scandir(directory) as entries:
            for entry in list(entries):
                with contextlib.suppress(FileNotFoundError):
                    found = entry.stat(follow_symlinks=False)
                    if unwanted(entry.name, found):
                        _remove_at(directory, entry.name, found)
                        removed += 1
            os.fsync(directory)
    except FileNotFoundError:
        return 0
    return removed


def _remove_at(directory: int, name: str, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        shutil.rmtree(name, dir_fd=directory)
    else:
        os.unlink(name, dir_fd=directory)


def _remove_empty(directory: Path) -> tuple[str, ...]:
    """Remove a directory; the names of what keeps it, its own where it is in use. Raises OSError."""
    try:
        directory.rmdir()
    except FileNotFoundError:
        return ()
    except OSError as error:
        if error.errno not in _KEPT:
            raise
        return tuple(sorted(path.name for path in directory.iterdir())) or (directory.name,)
    return ()


def remove_tree(path: Path) -> bool:
    """Remove a file or a directory with all in it, for good; False when there was none. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.exists() or path.is_symlink():
        path.unlink()
    else:
        return False
    sync_directory(path.parent)
    return True


def checked_handle(name: str) -> str:
    """The name, where it is a UID or a handle. Raises InvariantError."""
    if not _HANDLE.fullmatch(name):
        raise InvariantError("InternalError", f"{name!r} is neither a UID nor a handle.")
    return name
