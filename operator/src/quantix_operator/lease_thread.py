"""Keeps the leader's lease from a thread, with an event loop and a connection of its own.

Made by `service`. A leader with thousands of objects to look at renews in time all the same. What the thread
sees alone, it acts on alone: work that does not end with the leadership ends with the process, even while the
loop that works is too busy to hear of it, and a leader whose loop never comes round again renews no longer.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Protocol, Self, TypeVar

import structlog

from quantix_operator.leader import LAST_WORK_S, Leadership

log = structlog.get_logger(__name__)

# longer than any look at everything takes on a loaded machine; then the loop hangs, and another should lead
HUNG_S = 30.0
_LISTEN_S = 5.0
_STOP_S = 5.0

Answer = TypeVar("Answer")


class Electable(Leadership, Protocol):
    """What is asked of a `LeaderLease`."""

    async def acquire(self) -> None: ...

    async def release(self) -> None: ...


class LeaseThread:
    """A `LeaderLease` as an object of the loop that works: `async with` it there.

    `open_lease` is entered and used in the thread only. `die` ends the process, from the thread.
    """

    def __init__(
        self,
        open_lease: Callable[[], AbstractAsyncContextManager[Electable]],
        die: Callable[[], None],
        *,
        hung_s: float = HUNG_S,
        last_work_s: float = LAST_WORK_S,
    ) -> None:
        self._open_lease = open_lease
        self._die = die
        self._hung_s = hung_s
        self._last_work_s = last_work_s
        self._stood_down = threading.Event()

    async def __aenter__(self) -> Self:
        """Raises what opening the lease raises."""
        self._working = asyncio.get_running_loop()
        opened: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, args=(opened,), name="lease", daemon=True)
        self._thread.start()
        await asyncio.wrap_future(opened)
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(RuntimeError):  # its loop is closed already
            self._loop.call_soon_threadsafe(self._ended.set)
        await asyncio.to_thread(self._thread.join, _STOP_S)

    @property
    def remaining_s(self) -> float:
        """Seconds for which leadership lasts without another renewal."""
        return self._lease.remaining_s

    async def acquire(self) -> None:
        """Wait until this process leads."""
        await self._there(self._lease.acquire())

    async def hold(self) -> None:
        """Renew; returns when this process leads no more. Unless `release` follows in time, it dies."""
        await self._there(self._hold())

    async def release(self) -> None:
        """Give leadership away, if it is held. Call when nothing is decided any more."""
        self._stood_down.set()
        await self._there(self._lease.release())

    async def _there(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Do it in the thread; a cancellation reaches it there."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def _run(self, opened: concurrent.futures.Future[None]) -> None:
        """The thread. When its loop dies, nobody is left to renew: the process dies, too, and before the loop
        is closed, for whoever waits for work in it would take that for a cancellation.
        """
        if not opened.set_running_or_notify_cancel():
            return
        with asyncio.Runner() as runner:
            try:
                runner.run(self._live(opened))
            except BaseException as error:
                if not opened.done():
                    opened.set_exception(error)
                    return
                log.error("the lease's thread ends", exc_info=error)
                if not self._ended.is_set():
                    self._die()

    async def _live(self, opened: concurrent.futures.Future[None]) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        async with self._open_lease() as lease:
            self._lease = lease
            opened.set_result(None)
            await self._ended.wait()

    async def _hold(self) -> None:
        holding = asyncio.create_task(self._lease.hold(), name="renewals")
        listening = asyncio.create_task(self._until_hung(), name="listening")
        try:
            await asyncio.wait({holding, listening}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            holding.cancel()
            listening.cancel()
        self._loop.call_later(self._last_work_s, self._end_work)
        if holding.done():
            holding.result()

    async def _until_hung(self) -> None:
        """Returns when the loop that works has not come round for too long."""
        while True:
            heard = asyncio.Event()
            self._working.call_soon_threadsafe(self._loop.call_soon_threadsafe, heard.set)
            try:
                async with asyncio.timeout(self._hung_s):
                    await heard.wait()
            except TimeoutError:
                log.error("the event loop hangs, so the lease is not renewed", silent_s=self._hung_s)
                return
            await asyncio.sleep(min(_LISTEN_S, self._hung_s))

    def _end_work(self) -> None:
        if not self._stood_down.is_set():
            log.error("a former leader still works, so the process ends")
            self._die()
