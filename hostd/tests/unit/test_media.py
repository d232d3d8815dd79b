"""Media of a guest that has locked its drive, and what else libvirt refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libvirt
import pytest

from quantix_hostd.clients.libvirt_live import LiveChanges

DRIVE = "<disk><source file='/old'/><alias name='ua-tools'/><driver name='qemu'/></disk>"
LOCKED = "operation failed: timed out waiting to open tray of 'sda'"


class Domain(LiveChanges):
    """A domain of one drive, on which libvirt answers `said` unless it is forced."""

    def __init__(self, said: str) -> None:
        self._said = said
        self.changes: list[bool] = []

    async def on_own(self, name: str, act: Callable[[Any], object], *, missing_ok: bool = False) -> None:
        act(self)

    def XMLDesc(self, flags: int) -> str:
        return f"<domain><devices>{DRIVE}</devices></domain>"

    def updateDeviceFlags(self, xml: str, flags: int) -> None:
        assert "/old" not in xml
        self.changes.append(bool(flags & libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE))
        if not self.changes[-1] and self._said:
            raise libvirt.libvirtError(self._said)


@pytest.mark.parametrize("path", ["/new", None])
@pytest.mark.parametrize(("said", "changes"), [("", [False]), (LOCKED, [False, True])])
async def test_a_drive_is_opened_by_force_only_if_the_guest_does_not_open_it(
    said: str, changes: list[bool], path: str | None
) -> None:
    domain = Domain(said)
    await domain.change_medium("qx-1", "ua-tools", path)
    assert domain.changes == changes


async def test_another_refusal_stays_one() -> None:
    domain = Domain("internal error: no such file")
    with pytest.raises(libvirt.libvirtError, match="no such file"):
        await domain.change_medium("qx-1", "ua-tools", "/new")
    assert domain.changes == [False]
