"""The two directions of one connection, carried side by side.

Used for a guest's console and screen: by hostd's doors to them, and by `qx` at the other end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable


async def until_one_ends(*ways: Awaitable[None], gone: tuple[type[Exception], ...] = (OSError,)) -> None:
    """Until one direction ends; the other is cancelled. A peer that went away is no error: `gone` is what is
    raised then.
    """
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception) and not isinstance(end, gone):
            raise end
