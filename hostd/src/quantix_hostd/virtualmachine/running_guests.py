"""The guests that run on this host, as their domains tell it: for whoever looks at all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from quantix_hostd.clients.hypervisor import Hypervisor
from quantix_hostd.domainxml.view import DomainView, view


async def running_guests(hypervisor: Hypervisor) -> AsyncIterator[tuple[str, DomainView]]:
    """UID and live domain of each VM that runs. May raise TransientError."""
    for summary in await hypervisor.domains():
        found = await hypervisor.domain(summary.name) if summary.vm_uid and summary.active else None
        if found is not None and found.live_xml is not None and summary.vm_uid:
            yield summary.vm_uid, view(found.live_xml)
