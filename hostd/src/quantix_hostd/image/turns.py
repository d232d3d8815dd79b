"""Whose download is next: a namespace has four at a time, a host sixteen, so that no tenant holds them all.

Owned by the image controller. Who waits for a turn has no connection yet, so the wait is never the server's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_AT_ONCE = 16
_AT_ONCE_PER_NAMESPACE = 4


class Turns:
    """First come, first served: within a namespace, and among those that are first in theirs."""

    def __init__(self) -> None:
        self._host = asyncio.Semaphore(_AT_ONCE)
        self._namespaces: dict[str, asyncio.Semaphore] = {}

    def all_taken(self, namespace: str) -> bool:
        """Whether a download of this namespace would have to wait now."""
        return self._host.locked() or self._of(namespace).locked()

    @asynccontextmanager
    async def turn(self, namespace: str) -> AsyncIterator[None]:
        """Waits for a turn, and has it until the end of the block."""
        async with self._of(namespace), self._host:
            yield

    def _of(self, namespace: str) -> asyncio.Semaphore:
        return self._namespaces.setdefault(namespace, asyncio.Semaphore(_AT_ONCE_PER_NAMESPACE))
