"""Waits for something to become so, and says what it is waiting for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from quantix_api.conditions import condition_of
from quantix_api.errors import QuantixError, TransientError

T = TypeVar("T")
INTERVAL_S = 0.25


async def until(
    look: Callable[[], Awaitable[T | None]],
    timeout_s: float,
    give_up: Callable[[], Awaitable[QuantixError]],
    interval_s: float = INTERVAL_S,
) -> T:
    """The first answer of `look` that is not None. A TransientError of it is "not yet".

    Raises what `give_up` says after `timeout_s`.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while True:
        try:
            found = await look()
        except TransientError:
            found = None
        if found is not None:
            return found
        if loop.time() > deadline:
            raise await give_up()
        await asyncio.sleep(interval_s)


def is_ready(obj: dict[str, Any]) -> bool:
    """Ready is True and about the spec that stands there now."""
    ready = condition_of(obj)
    seen = ready.get("observedGeneration", obj["metadata"].get("generation"))
    return ready.get("status") == "True" and seen == obj["metadata"].get("generation", seen)


def why_not_ready(obj: dict[str, Any]) -> str:
    """The message of Ready, or its reason where there is no message."""
    ready = condition_of(obj)
    return str(ready.get("message") or ready.get("reason") or "nobody has looked at it yet")
