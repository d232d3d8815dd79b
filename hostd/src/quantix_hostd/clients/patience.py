"""Threads for what may never return: a file system whose server is away (NFS, FUSE) or whose disk hangs.

Used by `pools` for each look at a pool, and by `way_in`. A thread that hangs in the kernel cannot be ended.
It is left alone, and until it returns nothing more is asked of the same place: of all threads one place keeps
those that were on their way when it fell silent, no more than 64. Each call has a thread of its own, and the
process does not wait for it when it ends.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Collection, Hashable
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from quantix_api.errors import TransientError
from quantix_api.message_table_phrases import EARLIER_CALL_OWED, SILENT
from quantix_hostd.clients.given_up import Call, this_call

T = TypeVar("T")

# told as an ask begins and as it ends: whoever waits for one is no worker that hangs (`dispatch.Lane`)
told_of_asks: ContextVar[Callable[[], None]] = ContextVar("told_of_asks", default=lambda: None)

# below the time after which a worker hangs (`dispatch.HANG_S`)
_PATIENCE_S = 10.0
# more than all workers together: whoever reads images over the network is kept waiting first
_MOST = 64


class SilentPlaceError(Exception):
    """A place did not answer in time, or owes an earlier answer still; its text says which."""


@dataclass
class _Owed:
    """A call without an answer, and when (of the loop's clock) it is late, or fell late."""

    call: Call
    late_s: float


class PatientThreads:
    """One for a process; asked from its loop only. A place is whatever may fall silent by itself."""

    def __init__(self, patience_s: float = _PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._unanswered: dict[Hashable, dict[asyncio.Future[Any], _Owed]] = {}

    async def ask(self, place: Hashable, call: Callable[[], T], patience_s: float | None = None) -> T:
        """What `call` returns in a thread, or raises. Raises SilentPlaceError."""
        patience_s = self._patience_s if patience_s is None else patience_s
        loop = asyncio.get_running_loop()
        await self._take_place(place, patience_s)
        owed = _Owed(Call(), loop.time() + patience_s)
        asked = asyncio.wrap_future(_begin(owed.call, call))
        # whoever asks may be cancelled: the call stays one without an answer
        self._unanswered.setdefault(place, {})[asked] = owed
        asked.add_done_callback(lambda answer: self._answered(place, answer))
        told_of_asks.get()()
        try:
            await asyncio.wait({asked}, timeout=patience_s)
        finally:
            told_of_asks.get()()
        if asked.done():
            return asked.result()
        owed.late_s = loop.time()
        raise SilentPlaceError(SILENT.format(seconds=patience_s))

    def late_for_s(self, places: Collection[Hashable]) -> float:
        """For how long an answer has been owed by one of them; 0 where none is late."""
        late = [owed.late_s for place in places for owed in self._unanswered.get(place, {}).values()]
        return max(asyncio.get_running_loop().time() - min(late), 0.0) if late else 0.0

    def give_up(self, places: Collection[Hashable], why: TransientError) -> None:
        """Wait for none of their answers any more: what is asked there next is asked. The caller has seen to
        it that what those calls do yet comes to nothing.
        """
        for place in places:
            for owed in self._unanswered.pop(place, {}).values():
                owed.call.given_up = why

    async def _take_place(self, place: Hashable, patience_s: float) -> None:
        """Wait until fewer than `_MOST` calls are on their way there. Raises SilentPlaceError."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + patience_s
        while True:
            unanswered = self._unanswered.get(place, {})
            if any(owed.late_s <= loop.time() for owed in unanswered.values()):
                raise SilentPlaceError(EARLIER_CALL_OWED)
            if len(unanswered) < _MOST:
                return
            if loop.time() >= end_s:
                raise SilentPlaceError(SILENT.format(seconds=patience_s))
            left_s = end_s - loop.time()
            await asyncio.wait(tuple(unanswered), timeout=left_s, return_when=asyncio.FIRST_COMPLETED)

    def _answered(self, place: Hashable, answer: asyncio.Future[Any]) -> None:
        if not answer.cancelled():
            # maybe nobody waits any more for what it raised
            answer.exception()
        unanswered = self._unanswered.get(place, {})
        unanswered.pop(answer, None)
        if not unanswered:
            self._unanswered.pop(place, None)


def _begin(mark: Call, call: Callable[[], T]) -> Future[T]:
    """Let a thread that nobody waits for at the end of the process make the call."""
    context, answer = contextvars.copy_context(), Future[T]()
    context.run(this_call.set, mark)

    def run() -> None:
        try:
            found = context.run(call)
        except BaseException as error:
            answer.set_exception(error)
        else:
            answer.set_result(found)

    threading.Thread(target=run, name="patient", daemon=True).start()
    return answer
