"""A call that copies a disk in a thread: it is looked at meanwhile, and never left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

_LOOK_S = 1.0


async def to_the_end(
    call: Callable[[Callable[[], bool]], object], look: Callable[[], Awaitable[None]]
) -> None:
    """Run `call`, which asks whether it is to go on. It ends before this does, and soon once this is
    cancelled or `look` raises; that is called right away and every second.
    """
    stop = threading.Event()
    work = asyncio.create_task(asyncio.to_thread(call, lambda: not stop.is_set()))
    try:
        while not work.done():
            await look()
            await asyncio.wait({work}, timeout=_LOOK_S)
    finally:
        stop.set()
        await asyncio.wait({work})
    work.result()
