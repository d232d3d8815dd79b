"""Looks every some seconds how much this host's programs wait, and has it reported when that is news.

Started by `assembly` through `upkeep`. Which guests use the CPUs is asked of libvirt only while programs wait
for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import structlog

from quantix_api.errors import QuantixError
from quantix_client.clock import Clock
from quantix_hostd.clients.machine_load import read_machine_load
from quantix_hostd.domainxml.spec import vm_uid_of
from quantix_hostd.facts.domain import DomainStats
from quantix_hostd.facts.load import MachineLoad
from quantix_hostd.host.pressure import Pressure, sample_of

log = structlog.get_logger(__name__)


class PressureWatch:
    """`stats` is libvirt's bulk call; `news` is called when what is to be said of the host changed."""

    def __init__(
        self,
        pressure: Pressure,
        stats: Callable[[], Awaitable[tuple[DomainStats, ...]]],
        news: Callable[[], None],
        clock: Clock,
        load: Callable[[], MachineLoad] = read_machine_load,
    ) -> None:
        self.pressure = pressure
        self._stats, self._news, self._clock, self._load = stats, news, clock, load

    async def step(self) -> None:
        """One look."""
        guests_ns = await self._guests() if self.pressure.is_of_interest else {}
        load = await asyncio.to_thread(self._load)
        sample = sample_of(load, self._clock.monotonic(), guests_ns)
        if sample is None:
            self.pressure.forget()
        elif self.pressure.take(sample, datetime.now(UTC)):
            log.info("pressure of this host", told=self.pressure.told())
            self._news()

    async def _guests(self) -> Mapping[str, int]:
        """CPU time of each, in nanoseconds; none while libvirt does not tell."""
        try:
            found = await self._stats()
        except QuantixError as error:
            log.debug("no figures of guests", reason=error.reason)
            return {}
        named = ((vm_uid_of(item.domain_name), item.values.get("cpu.time")) for item in found)
        return {uid: used_ns for uid, used_ns in named if uid is not None and used_ns is not None}
