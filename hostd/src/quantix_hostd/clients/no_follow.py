"""What lies below a directory, opened component by component: no symbolic link is ever followed.

Used by the claim store and for the disk files of volumes and images. Below the directory everything is ours
to name; a link or another kind of file there is a foreign hand or damage. Everything here blocks.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from quantix_api.errors import InvariantError, TransientError
from quantix_api.message_table_phrases import NO_FILE
from quantix_api.messages import as_error
from quantix_hostd.clients.files import explained

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# without O_NONBLOCK the opening of a FIFO would never return
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# O_NOFOLLOW says ELOOP of a link, together with O_DIRECTORY ENOTDIR (open(2), Linux)
_NOT_OURS = frozenset({errno.ELOOP, errno.ENOTDIR})


@contextmanager
def opened_directory(root: Path, *names: str) -> Iterator[int]:
    """A descriptor of the directory at `names` below `root`, closed at the end.

    Raises FileNotFoundError, and TransientError for other OSErrors, also for those of the body: `DataDamaged`
    where a component is a link or no directory, else `PoolUnreachable`.
    """
    components = [_component(name) for name in names]
    opened: list[int] = []
    try:
        opened.append(os.open(root, _DIRECTORY))
        for name in components:
            opened.append(os.open(name, _DIRECTORY, dir_fd=opened[-1]))
        yield opened[-1]
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _explained(root.joinpath(*names), error) from error
    finally:
        for descriptor in reversed(opened):
            os.close(descriptor)


@contextmanager
def opened_file(root: Path, *names: str) -> Iterator[BufferedReader]:
    """The regular file at `names` below `root`, for reading. Raises as `opened_directory`."""
    *directories, name = names
    with (
        opened_directory(root, *directories) as directory,
        opened_file_at(directory, _component(name), root.joinpath(*names)) as file,
    ):
        yield file


@contextmanager
def opened_file_at(directory: int, name: str, path: Path) -> Iterator[BufferedReader]:
    """The regular file `name` in the directory with this descriptor; `path` is for messages."""
    try:
        descriptor = os.open(_component(name), _FILE, dir_fd=directory)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _explained(path, error) from error
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise as_error(TransientError, "DataDamaged", path=path, said=NO_FILE)
        yield file


def replace_file_at(directory: int, name: str, content: bytes, mode: int) -> None:
    """Replace the file `name` in the directory with this descriptor, whole or not at all, and sync both.

    The caller holds a lock on the directory, or is the only one that writes this file. Raises OSError.
    """
    temporary = f".{_component(name)}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, mode, dir_fd=directory), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    os.fsync(directory)


def _component(name: str) -> str:
    if "/" in name or name in ("", ".", ".."):
        raise InvariantError("InternalError", f"{name!r} is no name of a file or directory of ours.")
    return name


def _explained(path: Path, error: OSError) -> TransientError:
    if error.errno in _NOT_OURS:
        said = error.strerror or str(error)
        return as_error(TransientError, "DataDamaged", path=path, said=said)
    return explained(error, str(path))
