"""The ways between two libvirtds let go of their connections, whenever they are broken off."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from quantix_hostd.clients.libvirt_packets import PacketGate
from quantix_hostd.clients.libvirt_relay import RelaySocket, Send, relay

# more turns of the loop than either needs to end by itself
TURNS = range(12)


async def _nothing() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


async def _unheard(piece: bytes) -> None:
    raise AssertionError(piece)


async def _may_go_on() -> bool:
    return True


async def _serve(path: Path, ended: asyncio.Event, hang_up: asyncio.Event) -> asyncio.Server:
    """A libvirtd that hangs up when it is told, and says when the other side has."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hang_up.wait()
        writer.write_eof()
        await reader.read()
        ended.set()
        writer.close()

    return await asyncio.start_unix_server(talk, str(path))


@pytest.mark.parametrize("turns", TURNS)
async def test_a_way_in_that_is_broken_off_as_libvirtd_hangs_up_ends(tmp_path: Path, turns: int) -> None:
    path, ended, hang_up = tmp_path / "libvirt", asyncio.Event(), asyncio.Event()
    async with await _serve(path, ended, hang_up):
        gate = PacketGate("qx-v1", lambda domain: "", _may_go_on)
        way = asyncio.create_task(relay(path, gate, _nothing(), _unheard))
        await asyncio.sleep(0.01)
        hang_up.set()
        await _after(turns, way.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await way
        async with asyncio.timeout(5.0):
            await ended.wait()


# one turn is asyncio's: it forgets a connection that it has taken, but not told of
@pytest.mark.parametrize("turns", TURNS[1:])
async def test_a_way_out_that_is_closed_as_libvirtd_comes_ends(tmp_path: Path, turns: int) -> None:
    async def connect() -> tuple[AsyncIterator[bytes], Send]:
        return _nothing(), _unheard

    way = RelaySocket(tmp_path / "ways" / "v1.sock", connect)
    await way.open()
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "ways" / "v1.sock"))
    await _after(turns, lambda: None)
    await way.close()
    async with asyncio.timeout(5.0):
        assert await reader.read() == b""
    writer.close()


async def _after(turns: int, act: Callable[[], object]) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    act()
