"""Bounded waits for tests, which say what was seen last when they were in vain."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
INTERVAL_S = 0.3


def wait_for(
    what: str,
    look: Callable[[], tuple[T | None, object]],
    timeout_s: float = 60.0,
    interval_s: float = INTERVAL_S,
) -> T:
    """The first true answer of `look`, which returns it together with what it saw.

    Raises AssertionError with what was seen last.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        answer, seen = look()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:.0f} s in vain for {what}; seen last: {seen}")
        time.sleep(interval_s)


def wait_removed(path: Path, timeout_s: float = 60.0) -> None:
    """Until there is nothing at `path`. Raises AssertionError as `wait_for`."""
    wait_for(f"{path} to be gone", lambda: (not path.exists(), list(path.glob("*"))), timeout_s)


def eventually(
    what: str, holds: Callable[[], bool], timeout_s: float = 20.0, interval_s: float = 0.05
) -> None:
    """Until it holds. Raises AssertionError with `what` when it never does."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            raise _in_vain(what, timeout_s)
        time.sleep(interval_s)


async def eventually_async(
    what: str,
    holds: Callable[[], bool | Awaitable[bool]],
    timeout_s: float = 20.0,
    interval_s: float = 0.02,
) -> None:
    """The same beside what runs in this event loop; `holds` may be awaited."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = holds()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        if time.monotonic() > deadline:
            raise _in_vain(what, timeout_s)
        await asyncio.sleep(interval_s)


def _in_vain(what: str, timeout_s: float) -> AssertionError:
    return AssertionError(f"waited {timeout_s:.0f} s in vain for {what}")
