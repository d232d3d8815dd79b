"""One `make up`, `make down` or `make clean` at a time for an installation: two would start, stop and remove
the same things under each other.

A lock of a file (flock(2)), which goes with its process. Standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from quantix_api.errors import PermanentError
from quantix_cli import directories
from quantix_cli.up.settings import UpSettings

_NAME = "up.lock"


@contextlib.contextmanager
def alone(settings: UpSettings, command: str) -> Iterator[None]:
    """Keep others from beginning while `command` works; programs that are started inside do not hold it on.

    Raises PermanentError where another is at work, OSError where the file may not be written.
    """
    folder = settings.layout.log
    directories.ensure(directories.with_parents(settings.layout, folder))
    # who can open a file can lock it, and would be taken for us
    number = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(number, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, _, other = file.read().strip().partition(" ")
            raise PermanentError(
                "UpAtWork",
                f"{other or 'make up'} is at work for this installation (pid {pid or 'not known'}).",
                f"wait until it has ended; tail -f {settings.log_path} shows what it does",
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()} {command}\n")
        file.flush()
        yield
