"""Time as leases, queues and watches see it: a protocol, and the machine's clock.

Used wherever waiting or ageing is decided; wall-clock time (`datetime`) is only ever written, never judged.
"""

from __future__ import annotations

import asyncio
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


def rest_s(worked_s: float, share: float) -> float:
    """Seconds of rest after so many of work, so that the work takes at most `share` (0 to 1) of time."""
    return worked_s * (1 / share - 1)
