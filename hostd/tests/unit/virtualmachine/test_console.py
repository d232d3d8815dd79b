"""Consoles: one reader, many viewers, and a guest that is never held up."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quantix_hostd.virtualmachine.console import (
    ConsoleData,
    ConsoleHub,
    ConsoleMessage,
    ConsoleMode,
    ConsoleOff,
    ConsoleViewer,
)

UID = "vm-1"


class Guest:
    """The serial socket of a guest: QEMU listens, one client at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard = bytearray()
        self.connected = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None

    async def boot(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))

    async def say(self, data: bytes) -> None:
        async with asyncio.timeout(5):
            await self.connected.wait()
        assert self._writer is not None
        self._writer.write(data)
        async with asyncio.timeout(5):
            await self._writer.drain()

    async def power_off(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._writer is not None:
            self._writer.close()
        self.path.unlink(missing_ok=True)
        self.connected.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.connected.set()
        while data := await reader.read(4096):
            self.heard += data


@pytest.fixture
async def guest(tmp_path: Path) -> AsyncIterator[Guest]:
    guest = Guest(tmp_path / "serial.sock")
    await guest.boot()
    yield guest
    await guest.power_off()


@pytest.fixture
async def hub(guest: Guest) -> AsyncIterator[ConsoleHub]:
    hub = ConsoleHub(ring_bytes=1000)
    hub.attach(UID, guest.path)
    yield hub
    await hub.close()


async def next_data(viewer: ConsoleViewer, length: int) -> bytes:
    data = b""
    while len(data) < length:
        async with asyncio.timeout(5):
            message = await viewer.next_message()
        if isinstance(message, ConsoleData):
            data += message.data
    return data


async def next_other(viewer: ConsoleViewer) -> ConsoleMessage:
    async with asyncio.timeout(5):
        while isinstance(message := await viewer.next_message(), ConsoleData):
            pass
    return message


def opened(hub: ConsoleHub, *, take: bool = False) -> ConsoleViewer:
    viewer = hub.open(UID, take=take)
    assert viewer is not None
    return viewer


async def test_what_the_guest_says_reaches_every_viewer(hub: ConsoleHub, guest: Guest) -> None:
    first, second = opened(hub), opened(hub)
    await guest.say(b"login: ")
    assert await next_data(first, 7) == b"login: "
    assert await next_data(second, 7) == b"login: "


async def test_a_late_viewer_sees_what_was_said_lately_and_no_more_than_the_ring(
    hub: ConsoleHub, guest: Guest
) -> None:
    watcher = opened(hub)
    for number in range(100):
        await guest.say(b"%03d\n" % number * 10)
        await next_data(watcher, 40)
    late = opened(hub)
    seen = await next_data(late, 1)
    assert len(seen) <= 1000
    assert seen.endswith(b"099\n")


async def test_the_first_may_write_and_the_second_only_look(hub: ConsoleHub, guest: Guest) -> None:
    first, second = opened(hub), opened(hub)
    await guest.say(b"x")
    await next_data(first, 1)
    assert await next_other(second) == ConsoleMode(read_only=True)
    assert await first.write(b"ls\n")
    assert not await second.write(b"rm\n")
    await guest.say(b"y")
    await next_data(first, 1)
    assert guest.heard == b"ls\n"


async def test_taking_over_turns_the_other_read_only(hub: ConsoleHub) -> None:
    first = opened(hub)
    assert await next_other(first) == ConsoleMode(read_only=False)
    second = opened(hub, take=True)
    assert await next_other(first) == ConsoleMode(read_only=True)
    assert not second.read_only


async def test_a_viewer_that_never_reads_hears_once_who_has_the_keyboard(hub: ConsoleHub) -> None:
    first, second = opened(hub), opened(hub)
    for _ in range(1000):
        first.take()
        second.take()
    assert await first.next_message() == ConsoleMode(read_only=True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await first.next_message()


async def test_whoever_stays_gets_the_keyboard(hub: ConsoleHub) -> None:
    first, second = opened(hub), opened(hub)
    first.close()
    assert not second.read_only


async def test_a_viewer_that_never_reads_does_not_stop_the_guest(hub: ConsoleHub, guest: Guest) -> None:
    sleeper, watcher = opened(hub), opened(hub)
    block = b"z" * 65536
    for _ in range(64):
        await guest.say(block)
        await next_data(watcher, len(block))
    assert sleeper.read_only is False


async def test_a_restarted_guest_goes_on_in_the_same_view(hub: ConsoleHub, guest: Guest) -> None:
    viewer = opened(hub)
    await guest.say(b"one")
    assert await next_data(viewer, 3) == b"one"
    await guest.power_off()
    await guest.boot()
    await guest.say(b"two")
    assert await next_data(viewer, 3) == b"two"


async def test_a_guest_that_is_off_ends_its_viewers(hub: ConsoleHub) -> None:
    viewer = opened(hub)
    await hub.detach(UID)
    assert await next_other(viewer) == ConsoleMode(read_only=False)
    assert await next_other(viewer) == ConsoleOff()
    assert hub.open(UID) is None


async def test_what_a_guest_does_not_read_does_not_pile_up(hub: ConsoleHub, tmp_path: Path) -> None:
    """People who type and leave must not fill the memory of the host."""

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await left.wait()
        writer.close()

    left, path = asyncio.Event(), tmp_path / "deaf.sock"
    server = await asyncio.start_unix_server(deaf, str(path))
    hub.attach("deaf", path)
    accepted = 0
    for _ in range(200):
        viewer = hub.open("deaf", take=True)
        assert viewer is not None
        typing = asyncio.create_task(viewer.write(b"x" * 65536))
        await asyncio.sleep(0.002)
        accepted += not typing.done()
        typing.cancel()
        viewer.close()
    left.set()
    await hub.detach("deaf")
    server.close()
    # what fits into the socket itself, and one write more
    assert 0 < accepted < 20


async def test_a_guest_that_writes_single_bytes_costs_no_more_memory_than_it_says(hub: ConsoleHub) -> None:
    viewers = [opened(hub) for _ in range(5)]
    line = hub._lines[UID]
    tracemalloc.start()
    for _ in range(20_000):
        line._receive(b"x")
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 2 * 5 * 20_000
    assert await next_data(viewers[0], 20_000) == b"x" * 20_000
