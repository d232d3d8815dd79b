"""Whether this host still works: what decides if its Lease is renewed.

A hostd that lives but whose libvirt or workers hang must look dead, or nobody would take its guests over
(ha.md, section Detection). A libvirt that is merely away is no hang: its reconnection is under way, and
guests run on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from quantix_api.errors import QuantixError
from quantix_client.clock import Clock, SystemClock

_ASK_EVERY_S = 5.0

log = structlog.get_logger(__name__)


class Pulse:
    """`ask_libvirt` is one call to it; `workers_hang` tells about the queues; `on_libvirt` is called when
    libvirt begins or ceases to answer; seconds are monotonic.
    """

    def __init__(
        self,
        ask_libvirt: Callable[[], Awaitable[object]],
        workers_hang: Callable[[], bool],
        on_libvirt: Callable[[], None],
        hang_s: float,
        clock: Clock | None = None,
    ) -> None:
        self._ask_libvirt = ask_libvirt
        self._workers_hang = workers_hang
        self._on_libvirt = on_libvirt
        self._answered = True
        self._hang_s = hang_s
        self._clock = clock or SystemClock()
        self._asked_at: float | None = None
        self._silent = False

    def alive(self) -> bool:
        """Whether the lease may be renewed now."""
        asked = self._asked_at
        libvirt_hangs = asked is not None and self._clock.monotonic() - asked > self._hang_s
        silent = libvirt_hangs or self._workers_hang()
        if silent != self._silent:
            self._silent = silent
            if silent:
                log.error("this host hangs: its lease is not renewed", libvirt=libvirt_hangs)
            else:
                log.info("this host works again: its lease is renewed")
        return not silent

    async def run(self) -> None:
        """Ask libvirt again and again, until cancelled."""
        while True:
            self._asked_at = self._clock.monotonic()
            answered = await self._ask()
            self._asked_at = None
            if answered != self._answered:
                self._answered = answered
                self._on_libvirt()
            await asyncio.sleep(_ASK_EVERY_S)

    async def _ask(self) -> bool:
        try:
            await self._ask_libvirt()
        except QuantixError as error:
            log.debug("libvirt did not answer", reason=error.reason)
            return False
        return True
