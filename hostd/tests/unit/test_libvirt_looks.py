"""Pictures and figures of domains while QEMUs hang: what that costs the others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest

from quantix_api.errors import PermanentError, TransientError
from quantix_hostd.api.images import status_of
from quantix_hostd.clients.libvirt_looks import LibvirtLooks
from quantix_lab.waiting import eventually_async


class Domain:
    """A running domain; `hangs` until it is set free."""

    def __init__(self, name: str, free: threading.Event | None) -> None:
        self._name, self._free = name, free

    def name(self) -> str:
        return self._name

    def metadata(self, kind: int, uri: str) -> str:
        return "<vm/>"

    def isActive(self) -> bool:
        return True

    def screenshot(self, stream: Any, screen: int, flags: int) -> None:
        if self._free is not None:
            assert self._free.wait(10)

    def XMLDesc(self, flags: int) -> str:
        model = "none" if "blind" in self._name else "virtio"
        return f"<domain><devices><video>\n  <model type='{model}'/></video></devices></domain>"


class Stream:
    def recv(self, size: int) -> bytes:
        return b""

    def finish(self) -> None: ...


class Connection:
    """Of domains of which some hang in QEMU's monitor."""

    def __init__(self) -> None:
        self.free, self.asked = threading.Event(), list[str]()
        # how many questions for figures find a guest that was not busy with an earlier one, and hangs
        self.hanging = 0

    def lookupByName(self, name: str) -> Domain:
        self.asked.append(name)
        return Domain(name, self.free if "hangs" in name else None)

    def newStream(self, flags: int) -> Stream:
        return Stream()

    def getAllDomainStats(self, kinds: int, flags: int) -> list[Any]:
        if self.hanging:
            self.hanging -= 1
            assert self.free.wait(10)
        return [(Domain("qx-1", None), {"state.state": 1})]


@pytest.fixture
def connection() -> Iterator[Connection]:
    found = Connection()
    yield found
    found.free.set()


async def late(connection: Any, cause: TimeoutError, patience_s: float) -> NoReturn:
    raise TransientError("QEMUHangs", "no answer") from cause


async def until_shown(looks: LibvirtLooks, name: str) -> None:
    async def shown() -> bool:
        try:
            return await looks.screenshot(name, 1024) is not None
        except TransientError:
            return False

    await eventually_async(f"{name} shows its screen", shown)


async def test_qemus_that_hang_keep_nobody_else_from_pictures_and_figures(connection: Connection) -> None:
    looks = LibvirtLooks(lambda: connection, deadline_s=0.2, late=late)
    for number in range(3):
        for reason, said in (
            ("QEMUHangs", "no answer"),
            ("ScreenHangs", f"qx-hangs-{number} owes an earlier picture"),
        ):
            with pytest.raises(TransientError, match=said) as told:
                await looks.screenshot(f"qx-hangs-{number}", 1024)
            assert told.value.reason == reason
    assert connection.asked == [f"qx-hangs-{number}" for number in range(3)], "each once"
    assert await looks.screenshot("qx-other", 1024) is not None
    assert [stats.domain_name for stats in await looks.stats()] == ["qx-1"]
    connection.free.set()
    await until_shown(looks, "qx-hangs-0")
    looks.close()


async def test_a_guest_without_a_graphics_card_has_no_picture_and_that_is_said(
    connection: Connection,
) -> None:
    """libvirt says: internal error: unable to execute QEMU command 'screendump'."""
    looks = LibvirtLooks(lambda: connection, deadline_s=5, late=late)
    with pytest.raises(PermanentError, match="has no graphics card") as told:
        await looks.screenshot("qx-blind", 1024)
    assert (told.value.reason, status_of(told.value)) == ("NoScreen", 409)
    looks.close()


async def test_whoever_asks_and_goes_leaves_the_domain_as_one_that_may_be_asked(
    connection: Connection,
) -> None:
    looks = LibvirtLooks(lambda: connection, deadline_s=5, late=late)
    asked = asyncio.create_task(looks.screenshot("qx-hangs", 1024))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    connection.free.set()
    await until_shown(looks, "qx-hangs")
    looks.close()


async def test_figures_come_again_though_guests_that_hang_keep_earlier_questions(
    connection: Connection,
) -> None:
    looks = LibvirtLooks(lambda: connection, deadline_s=0.05, late=late)
    connection.hanging = 3
    for _ in range(3):
        with pytest.raises(TransientError, match="no answer within"):
            await looks.stats()
    assert [stats.domain_name for stats in await looks.stats()] == ["qx-1"]
    looks.close()
