"""Calls in threads that are not left behind: a thread goes on when who waits for it is cancelled, and would
do its work beside what clears up after that. Only one that was given up is left: what it does yet comes to
nothing (`clients.given_up`).

Used by the makers of disks in Ceph and the room of snapshots.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from quantix_hostd.clients.given_up import Call, this_call

T = TypeVar("T")

_LOOK_S = 1.0


async def _nothing() -> None:
    """Whoever has nothing to look at."""


async def to_the_end(
    call: Callable[[Callable[[], bool]], T], look: Callable[[], Awaitable[None]] = _nothing
) -> T:
    """What `call` returns, which may ask whether it is to go on. It ends before this does, and soon once this
    is cancelled or `look` raises; that is called right away and every second. Where it is given up, this
    raises why.
    """
    stop, mark = threading.Event(), Call()
    context = contextvars.copy_context()
    context.run(this_call.set, mark)
    make = partial(context.run, call, lambda: not stop.is_set())
    work = asyncio.get_running_loop().run_in_executor(None, make)
    try:
        while not work.done():
            await look()
            await asyncio.wait({work}, timeout=_LOOK_S)
            if mark.given_up is not None and not work.done():
                raise mark.given_up
    except BaseException:
        stop.set()
        await _end(work, mark)
        raise
    return work.result()


async def _end(work: asyncio.Future[T], mark: Call) -> None:
    """Wait until it has ended, or was given up."""
    # nobody asks any more for what came of it
    work.add_done_callback(lambda done: done.cancelled() or done.exception())
    while not work.done() and mark.given_up is None:
        await asyncio.wait({work}, timeout=_LOOK_S)
