"""What is looked after for all guests together, now and then: stale taps, guards, old logs.

Started by `assembly` through `upkeep`. It never touches a guest that runs.
"""

from __future__ import annotations

import asyncio

import structlog

from quantix_hostd.virtualmachine.running_guests import running_guests
from quantix_hostd.virtualmachine.tools import VmTools

_LOGS_S = 3600.0

log = structlog.get_logger(__name__)


class GuestSweeps:
    """One for a host. All may raise TransientError."""

    def __init__(self, tools: VmTools) -> None:
        self._tools = tools
        self._swept_s = tools.clock.monotonic()
        self._unguarded = False

    async def ports(self) -> None:
        """Remove taps of ours that belong to no live guest; every 30 s."""
        used: set[str] = set()
        async for _, live in running_guests(self._tools.hypervisor):
            used |= {device["switch_port"] for device in live.devices.values() if "switch_port" in device}
        for name in await self._tools.ports.purge_stale(used):
            log.warning("stale interface removed", interface=name)

    async def guards(self) -> None:
        """Let no guest pose as a router, whatever restarted meanwhile; every few seconds.

        Told when it changes: who takes the flows out again and again fills no log.
        """
        missing = await self._tools.ports.guard(self._tools.objects.router_ports())
        if missing and not self._unguarded:
            log.warning("guests were not kept from posing as routers", flows=missing)
        if self._unguarded and not missing:
            log.info("guests are kept from posing as routers again")
        self._unguarded = bool(missing)

    async def logs(self) -> None:
        """Remove console logs of guests that have been off for a week; looks once an hour."""
        passed_s = self._tools.clock.monotonic() - self._swept_s
        if passed_s < _LOGS_S:
            return
        kept = {domain.vm_uid for domain in await self._tools.hypervisor.domains() if domain.vm_uid}
        self._swept_s += passed_s
        for uid in await asyncio.to_thread(self._tools.directories.sweep_logs, kept, passed_s):
            log.info("old console log removed", uid=uid)
