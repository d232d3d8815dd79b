"""A guest stands still while a copy of its disk begins or is given up, and goes on only if it was we who
stopped it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libvirt
import pytest
from structlog.testing import capture_logs

from quantix_hostd.clients.libvirt_copies import DiskCopies

RUNNING = (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_UNPAUSED)
BY_USER = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER)
IO_ERROR = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR)
WATCHDOG = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_WATCHDOG)
SHUTOFF = (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED)


class Domain:
    """A domain of libvirt. `meanwhile`: how it stops by itself before it is suspended."""

    def __init__(self, now: tuple[int, int] = RUNNING, meanwhile: tuple[int, int] | None = None) -> None:
        self.now, self.meanwhile = now, meanwhile
        self.fails = ""
        self.dies = False
        self.end = 1 << 20

    def name(self) -> str:
        return "qx-1"

    def state(self) -> list[int]:
        return list(self.now)

    def suspend(self) -> None:
        # as libvirt: what is paused already stays so for the same reason
        self.now = self.meanwhile or BY_USER

    def resume(self) -> None:
        if self.now[0] == libvirt.VIR_DOMAIN_SHUTOFF:
            raise libvirt.libvirtError("Requested operation is not valid: domain is not running")
        self.now = RUNNING

    def blockCopy(self, *_: object) -> None:
        self._act()

    def blockJobAbort(self, *_: object) -> None:
        self._act()

    def blockJobInfo(self, *_: object) -> dict[str, int]:
        return {"cur": 0, "end": self.end}

    def _act(self) -> None:
        assert self.now[0] != libvirt.VIR_DOMAIN_RUNNING
        if self.dies:
            self.now = SHUTOFF
        if self.fails:
            raise libvirt.libvirtError(self.fails)


class Copies(DiskCopies):
    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    async def on_own(self, name: str, act: Callable[[Any], object], *, missing_ok: bool = False) -> None:
        act(self.domain)

    async def do(self, what: str) -> None:
        await (
            self.copy_disk("qx-1", "vda", "<disk/>", 0) if what == "begin" else self.drop_copy("qx-1", "vda")
        )


@pytest.mark.parametrize("what", ["begin", "drop"])
@pytest.mark.parametrize("now", [RUNNING, BY_USER, IO_ERROR])
async def test_it_is_afterwards_as_it_was(what: str, now: tuple[int, int]) -> None:
    domain = Domain(now)
    await Copies(domain).do(what)
    assert domain.now == now


@pytest.mark.parametrize("what", ["begin", "drop"])
@pytest.mark.parametrize("why", [IO_ERROR, WATCHDOG])
async def test_what_stopped_it_by_itself_at_that_moment_is_not_undone(
    what: str, why: tuple[int, int]
) -> None:
    domain = Domain(meanwhile=why)
    await Copies(domain).do(what)
    assert domain.now == why


@pytest.mark.parametrize("what", ["begin", "drop"])
@pytest.mark.parametrize("dies", [False, True])
async def test_what_fails_is_told_and_the_guest_goes_on_where_there_is_one(what: str, *, dies: bool) -> None:
    domain = Domain()
    domain.fails, domain.dies = "no copy", dies
    with pytest.raises(libvirt.libvirtError, match="no copy"):
        await Copies(domain).do(what)
    assert domain.now == (SHUTOFF if dies else RUNNING)


@pytest.mark.parametrize(("end", "said"), [(1 << 20, []), (1, ["a copy has not begun"])])
async def test_a_copy_that_qemu_does_not_begin_is_logged(end: int, said: list[str]) -> None:
    domain = Domain()
    domain.end = end
    with capture_logs() as logs:
        await Copies(domain).do("begin")
    assert [entry["event"] for entry in logs] == said
    assert domain.now == RUNNING
