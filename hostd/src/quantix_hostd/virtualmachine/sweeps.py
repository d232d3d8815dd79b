"""What is looked after for all guests together, now and then: stale taps, guards, old logs.

Started by `assembly` through `upkeep`. It never touches a guest that runs.
"""

from __future__ import annotations

import asyncio

import structlog

from quantix_hostd.domainxml.view import view
from quantix_hostd.virtualmachine.tools import VmTools

log = structlog.get_logger(__name__)


class GuestSweeps:
    """One for a host. All may raise TransientError."""

    def __init__(self, tools: VmTools) -> None:
        self._tools = tools

    async def ports(self) -> None:
        """Remove taps of ours that belong to no live guest; every 30 s."""
        live: set[str] = set()
        for summary in await self._tools.hypervisor.domains():
            if summary.vm_uid is None or not summary.active:
                continue
            domain = await self._tools.hypervisor.domain(summary.name)
            if domain is not None and domain.live_xml is not None:
                devices = view(domain.live_xml).devices.values()
                live |= {device["switch_port"] for device in devices if "switch_port" in device}
        for name in await self._tools.ports.purge_stale(live):
            log.warning("stale interface removed", interface=name)

    async def guards(self) -> None:
        """Let no guest pose as a router, whatever restarted meanwhile; every few seconds."""
        count = await self._tools.ports.guard(self._tools.objects.router_ports())
        if count:
            log.warning("guests were not kept from posing as routers", flows=count)

    async def logs(self) -> None:
        """Remove console logs of guests that have been off for a week; now and then."""
        kept = {domain.vm_uid for domain in await self._tools.hypervisor.domains() if domain.vm_uid}
        now_s = self._tools.clock()
        for uid in await asyncio.to_thread(self._tools.directories.sweep_logs, kept, now_s):
            log.info("old console log removed", uid=uid)
