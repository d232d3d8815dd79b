"""Time as leases, queues and watches see it: a protocol, the real clock, and one that tests turn by hand.

Used wherever waiting or ageing is decided; wall-clock time (`datetime`) is only ever written, never judged.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds that only go forward, and a way to wait for them."""

    def monotonic(self) -> float:
        """Seconds since some fixed point; never falls."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Return after `delay_s` seconds of this clock (at once when not positive)."""
        ...


class SystemClock:
    """The machine's clock. CLOCK_BOOTTIME, so that a suspended machine knows that time went by (ha.md)."""

    def monotonic(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(max(0.0, delay_s))


class ManualClock:
    """A clock for tests and simulations: stands still until `advance`."""

    def __init__(self, start_s: float = 1000.0) -> None:
        self._now = start_s
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._ids = itertools.count()

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, delay_s: float) -> None:
        if delay_s <= 0:
            await asyncio.sleep(0)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + delay_s, next(self._ids), waiter))
        await waiter

    async def advance(self, delta_s: float) -> None:
        """Move on by `delta_s`, waking sleepers in order and letting their tasks run in between."""
        end = self._now + delta_s
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, waiter = heapq.heappop(self._sleepers)
            self._now = max(self._now, due)
            if not waiter.done():
                waiter.set_result(None)
            await self.settle()
        self._now = end
        await self.settle()

    async def settle(self) -> None:
        """Let every task that can run do so until it waits (for purely in-memory work)."""
        for _ in range(20):
            await asyncio.sleep(0)


def rest_s(worked_s: float, share: float) -> float:
    """Seconds of rest after so many of work, so that the work takes at most `share` (0 to 1) of time."""
    return worked_s * (1 / share - 1)
