"""What hostd does for its guests again and again, until it is cancelled. Started by `assembly`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from quantix_api.errors import QuantixError

_RETRY_S = 2.0

log = structlog.get_logger(__name__)


async def repeat(every_s: float, *steps: Callable[[], Awaitable[None]]) -> None:
    """Do the steps every so often; one that fails leaves those after it to the next time."""
    while True:
        try:
            for step in steps:
                await step()
        except QuantixError as error:
            log.warning("guests not looked after", reason=error.reason, error=str(error))
        await asyncio.sleep(every_s)


async def after_each(event: asyncio.Event, step: Callable[[], Awaitable[None]]) -> None:
    """Do the step each time that `event` was set, and until it does not fail."""
    while True:
        await event.wait()
        event.clear()
        try:
            await step()
        except QuantixError as error:
            log.warning("guests not looked at", reason=error.reason, error=str(error))
            await asyncio.sleep(_RETRY_S)
            event.set()
