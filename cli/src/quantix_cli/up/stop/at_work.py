"""Whether somebody stops Quantix on this machine right now, so that what is down is down on purpose.

Held by `qx down` and `make clean`, asked by `qx doctor`. A lock of a file (flock(2)), which goes with its
process.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from quantix_api.layout import Layout


def _mark(layout: Layout) -> Path:
    return layout.run / "stopping.lock"


@contextlib.contextmanager
def stopping(layout: Layout) -> Iterator[None]:
    """Let others see that Quantix is being stopped. Nothing where it never ran since the machine's start, or
    where another stops it, too.
    """
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            file = held.enter_context(_mark(layout).open("w"))
            # who can open a file can lock it, and would be taken for us
            os.fchmod(file.fileno(), 0o600)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def is_being_stopped(layout: Layout) -> bool:
    """Whether somebody does so now; False, too, for who may not look."""
    try:
        with _mark(layout).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
