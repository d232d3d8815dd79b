"""Threads for what may never return: a file system whose server is away (NFS, FUSE) or whose disk hangs.

Used by `pools` for each look at a pool. A thread that hangs in the kernel cannot be ended. It is left alone,
and until it returns nothing more is asked of the same place: of all threads one place keeps those that were
on their way when it fell silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from quantix_api.message_table_phrases import EARLIER_CALL_OWED, SILENT

T = TypeVar("T")

# below the time after which a worker hangs (`dispatch.HANG_S`)
_PATIENCE_S = 10.0


class SilentPlaceError(Exception):
    """A place did not answer in time, or owes an earlier answer still; its text says which."""


class PatientThreads:
    """One for a process; asked from its loop only."""

    def __init__(self, patience_s: float = _PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._owed: dict[Path, set[asyncio.Future[Any]]] = {}

    async def ask(self, place: Path, call: Callable[[], T], patience_s: float | None = None) -> T:
        """What `call` returns in a thread, or raises. Raises SilentPlaceError."""
        patience_s = self._patience_s if patience_s is None else patience_s
        if self._owed.get(place):
            raise SilentPlaceError(EARLIER_CALL_OWED)
        asked = asyncio.ensure_future(asyncio.to_thread(call))
        try:
            await asyncio.wait({asked}, timeout=patience_s)
        except asyncio.CancelledError:
            asked.add_done_callback(_heard)
            raise
        if asked.done():
            return asked.result()
        self._owed.setdefault(place, set()).add(asked)
        asked.add_done_callback(lambda late: self._paid(place, late))
        raise SilentPlaceError(SILENT.format(seconds=patience_s))

    def _paid(self, place: Path, late: asyncio.Future[Any]) -> None:
        _heard(late)
        self._owed[place].discard(late)
        if not self._owed[place]:
            del self._owed[place]


def _heard(late: asyncio.Future[Any]) -> None:
    """Nobody waits any more for what it raises."""
    if not late.cancelled():
        late.exception()
