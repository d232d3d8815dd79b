"""A clock for what waits: hours of it are over at once."""

from __future__ import annotations

import asyncio


class HastyClock:
    """Who sleeps puts it forward by as much; otherwise it stands still."""

    def __init__(self) -> None:
        self._now_s = 1000.0

    def monotonic(self) -> float:
        return self._now_s

    async def sleep(self, delay_s: float) -> None:
        self._now_s += max(0.0, delay_s)
        await asyncio.sleep(0)
