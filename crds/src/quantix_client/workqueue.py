"""Keys waiting for a worker: each key once, never by two workers at a time, failures later and later.

Used by every reconciler of operator and hostd. It knows no API: the worker does the work and says when to
look again; `run` maps what it raises to a retry.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog

from quantix_api.errors import PermanentError, QuantixError, WaitingError
from quantix_client.clock import Clock, SystemClock

Worker = Callable[[str], Awaitable[float | None]]
ErrorHook = Callable[[str, Exception], Awaitable[None]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Backoff:
    """Wait `first_s` after the first failure of a key, twice as long after each further one, up to `cap_s`.

    `jitter` takes away up to that share at random, so that what failed together does not return together.
    """

    first_s: float = 0.1
    cap_s: float = 60.0
    jitter: float = 0.3

    def delay_s(self, failures: int, rng: random.Random) -> float:
        """Seconds to wait after the `failures`-th failure in a row (from 1)."""
        full_s = min(self.cap_s, self.first_s * 2.0 ** min(failures - 1, 40))
        return full_s * (1.0 - self.jitter * rng.random())


class Result(StrEnum):
    """How a worker's look at a key ended."""

    SUCCESS = "success"
    WAITING = "waiting"
    ERROR = "error"


AttemptHook = Callable[[Result, float], None]


@dataclass
class QueueCounters:
    """For metrics."""

    added: int = 0
    done: int = 0
    retries: int = 0


class WorkQueue:
    """First in, first out; a key added while it waits is one; one added while worked on runs once more after.

    All methods are for the event loop's thread; from another use `loop.call_soon_threadsafe(queue.add, key)`.
    """

    def __init__(
        self,
        name: str,
        *,
        backoff: Backoff | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.name = name
        self.counters = QueueCounters()
        self._backoff = backoff or Backoff()
        self._clock = clock or SystemClock()
        self._rng = rng or random.Random()
        self._ready: deque[str] = deque()
        self._waiting: set[str] = set()
        self._active: set[str] = set()
        self._again: set[str] = set()
        self._failures: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._ids = itertools.count()
        self._stopping = False
        self._ready_changed = asyncio.Event()
        self._heap_changed = asyncio.Event()

    def __len__(self) -> int:
        """Keys ready to run now (not those being worked on, nor those for later)."""
        return len(self._ready)

    @property
    def active(self) -> frozenset[str]:
        """Keys being worked on."""
        return frozenset(self._active)

    def failures(self, key: str) -> int:
        """How often in a row `key` failed."""
        return self._failures.get(key, 0)

    def add(self, key: str) -> None:
        """Work on `key` as soon as a worker is free; a later time set for it is dropped."""
        if self._stopping:
            return
        self._due.pop(key, None)
        if key in self._active:
            self._again.add(key)
        elif key not in self._waiting:
            self.counters.added += 1
            self._waiting.add(key)
            self._ready.append(key)
            self._ready_changed.set()

    def add_after(self, key: str, delay_s: float) -> None:
        """Work on `key` in `delay_s` seconds, or when it was due before, whichever is sooner."""
        if self._stopping:
            return
        if delay_s <= 0:
            self.add(key)
            return
        if key in self._waiting or key in self._again:
            return
        due = self._clock.monotonic() + delay_s
        if due >= self._due.get(key, float("inf")):
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._ids), key))
        self._heap_changed.set()

    def retry(self, key: str) -> float:
        """Count a failure of `key` and work on it again after its backoff, which is returned (seconds)."""
        self._failures[key] = self._failures.get(key, 0) + 1
        self.counters.retries += 1
        delay_s = self._backoff.delay_s(self._failures[key], self._rng)
        self.add_after(key, delay_s)
        return delay_s

    def forget(self, key: str) -> None:
        """Forget the failures of `key`: the next one waits the shortest time."""
        self._failures.pop(key, None)

    def stop(self) -> None:
        """Take no more keys and drop those waiting; `run` returns when the work in hand is done."""
        self._stopping = True
        self._ready.clear()
        self._waiting.clear()
        self._again.clear()
        self._due.clear()
        self._heap.clear()
        self._ready_changed.set()
        self._heap_changed.set()

    async def run(
        self,
        worker: Worker,
        concurrency: int = 1,
        *,
        on_error: ErrorHook | None = None,
        on_attempt: AttemptHook | None = None,
    ) -> None:
        """Work until `stop`. A worker returns seconds until the next look, or None.

        WaitingError → again after its `retry_after_s`; PermanentError → again after the longest backoff (a
        change of spec adds the key before); other exceptions → backoff. `on_error` is told of each but
        WaitingError, `on_attempt` of each look: how it ended and the seconds that it took.
        """
        async with asyncio.TaskGroup() as group:
            timer = group.create_task(self._move_due_keys(), name=f"{self.name}-timer")
            workers = [
                group.create_task(self._work(worker, on_error, on_attempt), name=f"{self.name}-{number}")
                for number in range(concurrency)
            ]
            try:
                await asyncio.wait(workers)
            finally:
                # a worker that a library robbed of its cancellation ends with the work in hand
                self.stop()
                timer.cancel()

    async def _work(self, worker: Worker, on_error: ErrorHook | None, on_attempt: AttemptHook | None) -> None:
        while (key := await self._next()) is not None:
            began_s = self._clock.monotonic()
            try:
                result = await self._attempt(key, worker, on_error)
                if on_attempt is not None:
                    on_attempt(result, self._clock.monotonic() - began_s)
            finally:
                self._active.discard(key)
                self.counters.done += 1
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)

    async def _attempt(self, key: str, worker: Worker, on_error: ErrorHook | None) -> Result:
        try:
            again_s = await worker(key)
        except WaitingError as error:
            self.forget(key)
            self.add_after(key, error.retry_after_s)
            return Result.WAITING
        except Exception as error:
            if isinstance(error, PermanentError):
                self.forget(key)
                self.add_after(key, self._backoff.cap_s)
            else:
                self.retry(key)
            self._log(key, error)
            if on_error is not None:
                await self._tell(key, error, on_error)
            return Result.ERROR
        self.forget(key)
        if again_s is not None:
            self.add_after(key, again_s)
        return Result.SUCCESS

    async def _tell(self, key: str, error: Exception, on_error: ErrorHook) -> None:
        try:
            await on_error(key, error)
        except Exception as second:
            log.warning("error could not be reported", queue=self.name, key=key, error=str(second))

    def _log(self, key: str, error: Exception) -> None:
        fields = {"queue": self.name, "key": key, "failures": self.failures(key)}
        if isinstance(error, QuantixError):
            log.warning("reconcile failed", reason=error.reason, error=error.message, **fields)
        else:
            log.error("reconcile failed unexpectedly", exc_info=error, **fields)

    async def _next(self) -> str | None:
        """The key that has waited longest, now active; None when stopping."""
        while not self._ready:
            if self._stopping:
                return None
            self._ready_changed.clear()
            await self._ready_changed.wait()
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._active.add(key)
        return key

    async def _move_due_keys(self) -> None:
        while not self._stopping:
            now = self._clock.monotonic()
            while self._heap and self._heap[0][0] <= now:
                due, _, key = heapq.heappop(self._heap)
                if self._due.get(key) == due:
                    self.add(key)
            await self._until_next_due(self._heap[0][0] - now if self._heap else None)

    async def _until_next_due(self, delay_s: float | None) -> None:
        self._heap_changed.clear()
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(self._heap_changed.wait())]
        if delay_s is not None:
            waits.append(asyncio.create_task(self._clock.sleep(delay_s)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
