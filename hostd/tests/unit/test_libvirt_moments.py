"""What is asked of libvirt where a moment of a guest is given up, on a domain in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libvirt
import pytest

from quantix_api.errors import TransientError
from quantix_hostd.clients import libvirt_moments
from quantix_hostd.clients.libvirt_moments import GuestMoments
from quantix_hostd.facts.moment import CopiedDisk, Moment


class Domain:
    """Its backup job ends only some looks after it was to be ended. It runs, or stands still."""

    def __init__(self, looks_left: int = 3) -> None:
        self.aborted, self.looks_left = False, looks_left
        self.now = [libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_BOOTED]

    def name(self) -> str:
        return "guest"

    def state(self) -> list[int]:
        return self.now

    def suspend(self) -> None:
        self.now = [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER]

    def resume(self) -> None:
        self.now = [libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_UNPAUSED]

    def XMLDesc(self, _: int) -> str:
        return "<domain/>"

    def backupBegin(self, xml: str, checkpoint: None, flags: int) -> None:
        """What its job does is told from the start."""

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


async def test_copying_that_does_not_end_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libvirt_moments, "_LOOKS", 3)
    with pytest.raises(TransientError, match="was told to end the copying") as caught:
        await Moments(Domain(looks_left=99)).stop_disks_copy("guest")
    assert caught.value.reason == "SnapshotFailed"


@pytest.mark.parametrize("ends", [True, False])
def test_a_guest_whose_moment_came_to_nothing_goes_on_only_once_its_disks_are_copied_no_more(
    monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    """QEMU 7.2 dies where it goes on while that ends."""
    monkeypatch.setattr(libvirt_moments, "_LOOKS", 3)
    domain, moment = (
        Domain(2 if ends else 99),
        Moment("Never", (CopiedDisk("vda", "/d", ""),), "", still=True),
    )

    def keep() -> None:
        raise OSError("the pool is away")

    with pytest.raises(OSError, match="the pool is away"):
        libvirt_moments._take_of(domain, moment, keep)
    assert domain.aborted
    assert (domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING) is ends
