"""Lets the libvirtd of another host speak to ours, as far as the move of one guest needs it, and no further.

libvirt's peer-to-peer migration has the source's libvirtd call the target's. It does so through a unix socket
of the source's hostd (`RelaySocket`), a WebSocket between both hostds, and here (`relay`) into ours. What
comes from the other host is read packet by packet (`libvirt_packets`): only the calls of that migration pass,
and none is a stream. Source: libvirt 9.0, docs/kbase/internals/rpc.rst.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import structlog

from quantix_hostd.clients.libvirt_packets import PacketGate

log = structlog.get_logger(__name__)

_CHUNK = 64 * 1024
_ROOT_ONLY = 0o700
Send = Callable[[bytes], Awaitable[None]]
Pieces = AsyncIterator[bytes]
Connect = Callable[[], Awaitable[tuple[Pieces, Send]]]


async def relay(socket: Path, gate: PacketGate, pieces: Pieces, send: Send) -> None:
    """Let `pieces`, which come from another host, pass to the libvirtd behind `socket`, and its answers to
    `send`, until either side ends. Raises PermanentError (CallRefused) by `gate`, OSError.
    """
    reader, writer = await asyncio.open_unix_connection(str(socket))

    async def inwards() -> None:
        async for piece in pieces:
            async for packet in gate.feed(piece):
                writer.write(packet)
                await writer.drain()

    async def outwards() -> None:
        while piece := await reader.read(_CHUNK):
            await send(piece)

    await _until_one_ends(inwards(), outwards(), writer)


class RelaySocket:
    """A unix socket for our own libvirtd, which is root; what comes there goes to `connect`'s connection,
    unlooked at. `path` is in a directory that has nothing but such sockets.
    """

    def __init__(self, path: Path, connect: Connect) -> None:
        self._path = path
        self._connect = connect
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._closed = False

    async def open(self) -> None:
        """Raises OSError."""
        # a socket has its own mode only after it was bound
        self._path.parent.mkdir(mode=_ROOT_ONLY, parents=True, exist_ok=True)
        self._path.parent.chmod(_ROOT_ONLY)
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._begin, str(self._path))
        self._path.chmod(0o600)

    async def close(self) -> None:
        """Ends what comes by it, too."""
        self._closed = True
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:
            # it had come before, and is told of only now
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer), name="way to libvirtd")
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        # also of a task that is cancelled before it began
        task.add_done_callback(lambda _: writer.close())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            pieces, send = await self._connect()

            async def outwards() -> None:
                while piece := await reader.read(_CHUNK):
                    await send(piece)

            async def inwards() -> None:
                async for piece in pieces:
                    writer.write(piece)
                    await writer.drain()

            await _until_one_ends(inwards(), outwards(), writer)
        except Exception as error:
            # libvirtd sees its connection end, and says so of the migration
            log.warning("the way to the other host's libvirtd ended", error=str(error))


async def _until_one_ends(
    inwards: Awaitable[None], outwards: Awaitable[None], writer: asyncio.StreamWriter
) -> None:
    tasks = [asyncio.ensure_future(inwards), asyncio.ensure_future(outwards)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        # before the first wait, which may be broken off itself
        writer.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(OSError):
            await writer.wait_closed()
