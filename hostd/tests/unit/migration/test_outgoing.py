"""The sending of a guest ends somehow, whatever goes wrong: its VM is never left between two hosts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from quantix_api.errors import InvariantError, QuantixError, TransientError
from quantix_api.layout import Layout
from quantix_client.clock import SystemClock
from quantix_hostd.clients.libvirt_relay import Pieces, RelaySocket, Send
from quantix_hostd.facts.migration import Sending
from quantix_hostd.migration.meter import SendingEnd
from quantix_hostd.migration.outgoing import OutgoingMoves, Sent
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.fake_target import FakeTarget


class Sender(FakeHypervisor):
    """Uses the way to the target, and then does as it is told."""

    def __init__(self, end: Exception | None) -> None:
        super().__init__()
        self._raises = end

    async def send_guest(self, name: str, sending: Sending) -> None:
        reader, writer = await asyncio.open_unix_connection(str(sending.socket))
        await reader.readexactly(1)
        writer.close()
        await writer.wait_closed()
        if self._raises is not None:
            raise self._raises


class Way(FakeTarget):
    """Says one byte; its end may fail."""

    def __init__(self, end: Exception | None) -> None:
        super().__init__()
        self._end = end
        self.left = asyncio.Event()

    async def connect(self) -> tuple[Pieces, Send]:
        pieces, send, _ = await self.connect_libvirt("m1", "192.0.2.2")
        return pieces, send

    async def connect_libvirt(
        self, migration: str, sender: str
    ) -> tuple[Pieces, Send, Callable[[], Awaitable[None]]]:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                yield b"x"
                await asyncio.Event().wait()
            finally:
                self.left.set()

        async def send(piece: bytes) -> None:
            raise AssertionError(piece)

        async def close() -> None:
            if self._end is not None:
                raise self._end

        return pieces(), send, close


class Ends(list[SendingEnd]):
    """Those that were counted."""

    note = list.append


async def test_nobody_but_root_reaches_the_way_from_the_first_moment(tmp_path: Path) -> None:
    path = tmp_path / "migration" / "v1.sock"
    # as an earlier hostd left it
    path.parent.mkdir(mode=0o755)
    relay = RelaySocket(path, Way(None).connect)
    await relay.open()
    assert (path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)
    await relay.close()


@pytest.mark.parametrize("close", [None, RuntimeError("closed twice"), OSError("reset")])
@pytest.mark.parametrize(
    ("end", "told"),
    [
        (None, None),
        (TransientError("SourceFailed", "libvirt says no"), TransientError),
        (OSError("broken pipe"), TransientError),
        (RuntimeError("cannot schedule new futures after shutdown"), InvariantError),
        (ValueError("a bug"), InvariantError),
    ],
)
async def test_whatever_ends_it_is_told_and_counted(
    tmp_path: Path, end: Exception | None, told: type[QuantixError] | None, close: Exception | None
) -> None:
    ended, ends, way = asyncio.Event(), Ends(), Way(close)
    moves = OutgoingMoves(Sender(end), Layout(tmp_path), lambda uid: ended.set(), SystemClock(), ends)
    sending = Sending(moves.socket("v1"), "h2", "192.0.2.1", "192.0.2.2", "<domain/>")
    moves.begin("v1", "qx-v1", "m1", sending, way)
    assert moves.state("v1", "m1") == Sent("m1")
    async with asyncio.timeout(5.0):
        await ended.wait()
    assert way.left.is_set()
    sent = moves.state("v1", "m1")
    assert sent is not None
    assert sent.done == (told is None)
    assert (type(sent.error) if sent.error is not None else None) == told
    assert len(ends) == 1
    assert not sending.socket.exists()
    await moves.close()


async def test_the_ways_of_a_hostd_that_was_killed_go_with_the_next(tmp_path: Path) -> None:
    def outgoing() -> OutgoingMoves:
        return OutgoingMoves(Sender(None), Layout(tmp_path), lambda uid: None, SystemClock(), Ends())

    killed = RelaySocket(outgoing().socket("v1"), Way(None).connect)
    await killed.open()
    following = outgoing()
    await following.tidy()
    assert list(following.socket("v1").parent.iterdir()) == []
    await following.tidy()
    await killed.close()


async def test_where_no_guest_was_ever_sent_there_is_nothing_to_remove(tmp_path: Path) -> None:
    moves = OutgoingMoves(Sender(None), Layout(tmp_path), lambda uid: None, SystemClock(), Ends())
    await moves.tidy()
    assert list(tmp_path.iterdir()) == []
