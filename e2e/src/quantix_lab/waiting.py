"""Bounded waits for tests, which say what was seen last when they were in vain."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
INTERVAL_S = 0.3


def wait_for(what: str, look: Callable[[], tuple[T | None, object]], timeout_s: float = 60.0) -> T:
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
        time.sleep(INTERVAL_S)
