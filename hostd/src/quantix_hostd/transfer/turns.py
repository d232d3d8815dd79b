"""Whose long work is next, so that nobody who waits for a little waits for somebody's much.

Used for downloads of images and for full copies of volumes; copies that QEMU makes for running guests keep to
the same limits by themselves (`volume.live_moves`). Who waits for a turn has no connection yet, so the wait
is never the server's. A namespace gets a further turn only while more are free than it has, and so many at
most: of sixteen turns and four each, four namespaces that take all they get leave turns to two more (dynamic
thresholds, as switches share their buffers: Choudhury and Hahne 1998, α = 1). A turn that comes free goes to
who has the fewest.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """So many at once, and so many of them for one namespace."""

    at_once: int
    of_namespace: int

    def admit(self, taken: int, has: int) -> bool:
        """Whether a namespace that `has` so many of those `taken` gets one more."""
        return has < self.of_namespace and self.at_once - taken > has


DISK_COPIES = Limits(at_once=2, of_namespace=1)
"""Of full copies of volumes, and besides them of copies that QEMU makes of the disks of running guests."""


@dataclass(eq=False)
class _Waiting:
    namespace: str
    turn: asyncio.Future[None] = field(default_factory=asyncio.Future)


class Turns:
    """Fewest first among the namespaces, first come, first served within one."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._has: Counter[str] = Counter()
        self._waiting: list[_Waiting] = []

    def all_taken(self, namespace: str) -> bool:
        """Whether work of this namespace would have to wait now."""
        return not self._admits(namespace)

    @asynccontextmanager
    async def turn(self, namespace: str) -> AsyncIterator[None]:
        """Waits for a turn, and has it until the end of the block."""
        waiting = _Waiting(namespace)
        self._waiting.append(waiting)
        self._give()
        try:
            await waiting.turn
            yield
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            else:
                self._has[namespace] -= 1
            self._has += Counter()  # drops those that have none
            self._give()

    def _admits(self, namespace: str) -> bool:
        return self._limits.admit(self._has.total(), self._has[namespace])

    def _give(self) -> None:
        while able := [waiting for waiting in self._waiting if self._admits(waiting.namespace)]:
            # of equals the first, who has waited longest
            following = min(able, key=lambda waiting: self._has[waiting.namespace])
            self._waiting.remove(following)
            self._has[following.namespace] += 1
            if not following.turn.done():
                following.turn.set_result(None)
