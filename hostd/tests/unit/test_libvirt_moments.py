"""What is asked of libvirt where a moment of a guest is given up, on a domain in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libvirt

from quantix_hostd.clients.libvirt_moments import GuestMoments


class Domain:
    """Its backup job ends only some looks after it was to be ended."""

    def __init__(self) -> None:
        self.aborted, self.looks_left = False, 3

    def isActive(self) -> bool:
        return True

    def abortJob(self) -> None:
        self.aborted = True

    def jobStats(self) -> dict[str, int]:
        self.looks_left -= self.aborted
        if self.looks_left <= 0:
            return {"type": libvirt.VIR_DOMAIN_JOB_NONE}
        operation = libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP
        return {"type": libvirt.VIR_DOMAIN_JOB_UNBOUNDED, "operation": operation}


class Moments(GuestMoments):
    """Of one domain."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain

    async def on_own(self, name: str, act: Callable[[Any], object], *, missing_ok: bool = False) -> None:
        act(self._domain)


async def test_copying_that_is_stopped_has_ended_then() -> None:
    domain = Domain()
    await Moments(domain).stop_disks_copy("guest")
    assert domain.aborted
    assert domain.looks_left == 0
