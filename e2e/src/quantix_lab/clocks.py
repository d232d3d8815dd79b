"""Clocks for what waits: one that a test turns by hand, one of which hours are over at once, and real time
with what a test skips.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import UTC, datetime

from quantix_client.clock import SystemClock


class HastyClock:
    """Who sleeps puts it forward by as much; otherwise it stands still."""

    def __init__(self) -> None:
        self._now_s = 1000.0

    def monotonic(self) -> float:
        return self._now_s

    async def sleep(self, delay_s: float) -> None:
        self._now_s += max(0.0, delay_s)
        await asyncio.sleep(0)


class SkippingClock:
    """Real time plus what a test skips (`skipped_s`); the wall clock jumps besides (`jumped_s`)."""

    skipped_s: float = 0.0
    jumped_s: float = 0.0

    def monotonic(self) -> float:
        """Seconds since the machine booted."""
        return SystemClock().monotonic() + self.skipped_s

    async def sleep(self, delay_s: float) -> None:
        """As the machine's clock."""
        await SystemClock().sleep(delay_s)

    def wall_s(self) -> float:
        """Seconds since 1970, as somebody set them."""
        return datetime.now(UTC).timestamp() + self.skipped_s + self.jumped_s


class ManualClock:
    """It stands still until `advance`."""

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
