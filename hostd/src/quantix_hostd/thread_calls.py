"""Calls in threads that are never left behind: a thread goes on when who waits for it is cancelled, and would
do its work beside what clears up after that.

Used by the makers of disks in Ceph and the room of snapshots.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_LOOK_S = 1.0


async def _nothing() -> None:
    """Whoever has nothing to look at."""


async def to_the_end(
    call: Callable[[Callable[[], bool]], T], look: Callable[[], Awaitable[None]] = _nothing
) -> T:
    """What `call` returns, which may ask whether it is to go on. It ends before this does, and soon once this
    is cancelled or `look` raises; that is called right away and every second.
    """
    stop = threading.Event()
    work = asyncio.create_task(asyncio.to_thread(call, lambda: not stop.is_set()))
    try:
        while not work.done():
            await look()
            await asyncio.wait({work}, timeout=_LOOK_S)
    except BaseException:
        stop.set()
        await asyncio.wait({work})
        # nobody asks any more for what came of it
        work.exception()
        raise
    return work.result()
