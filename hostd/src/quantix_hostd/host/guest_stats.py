"""Figures of all guests for whoever scrapes: one call to libvirt at a time, however many ask.

A scrape that libvirt keeps waiting goes on without them. Used by `host.metrics`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from quantix_api.errors import QuantixError
from quantix_client.clock import Clock
from quantix_hostd.facts.domain import DomainStats

# Less than the shortest interval that is of use, and than Prometheus' own patience (10 s)
_FRESH_S = 4.0
_PATIENCE_S = 5.0

log = structlog.get_logger(__name__)

Stats = tuple[DomainStats, ...]


class GuestStats:
    """`ask` is the bulk call; `took` is told of the seconds that each one took."""

    def __init__(
        self, ask: Callable[[], Awaitable[Stats]], took: Callable[[float], None], clock: Clock
    ) -> None:
        self._ask = ask
        self._took = took
        self._clock = clock
        self._call: asyncio.Task[Stats | None] | None = None
        self._answered_s: float | None = None
        self._last: Stats | None = None

    async def read(self) -> Stats | None:
        """At most some seconds old; None when libvirt does not give them in time."""
        if self._answered_s is not None and self._clock.monotonic() - self._answered_s < _FRESH_S:
            return self._last
        if self._call is None or self._call.done():
            self._call = asyncio.create_task(self._look(), name="guest-stats")
        call, patience = self._call, asyncio.create_task(self._clock.sleep(_PATIENCE_S))
        try:
            await asyncio.wait({call, patience}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            patience.cancel()
        return call.result() if call.done() and not call.cancelled() else None

    async def close(self) -> None:
        """Wait for nothing any more."""
        if self._call is not None:
            self._call.cancel()
            await asyncio.wait({self._call})

    async def _look(self) -> Stats | None:
        began_s = self._clock.monotonic()
        try:
            found = await self._ask()
        except QuantixError as error:
            log.debug("no figures of guests", reason=error.reason)
            return None
        self._answered_s = self._clock.monotonic()
        self._last = found
        self._took(self._answered_s - began_s)
        return found
