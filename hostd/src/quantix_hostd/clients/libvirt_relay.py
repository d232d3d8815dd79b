"""Lets the libvirtd of another host speak to ours, as far as the move of one guest needs it, and no further.

libvirt's peer-to-peer migration has the source's libvirtd call the target's. It does so through a unix socket
of the source's hostd (`RelaySocket`), a WebSocket between both hostds, and here (`relay`) into ours. What
comes from the other host is read packet by packet: only the calls of a migration pass, and none is a stream.
Source: libvirt 9.0, docs/kbase/internals/rpc.rst, src/rpc/virnetprotocol.x, src/remote/remote_protocol.x.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import structlog

from quantix_api.errors import PermanentError

log = structlog.get_logger(__name__)

_LENGTH = struct.Struct(">I")
_HEADER = struct.Struct(">IIIiIi")
# VIR_NET_MESSAGE_MAX of libvirt 9.0
_MOST_BYTES = 32 * 1024 * 1024
_CHUNK = 64 * 1024
_REMOTE, _KEEPALIVE = 0x20008086, 0x6B656570
_CALL, _KEEPALIVE_MESSAGE = 0, 2
ALLOWED = {
    1: "CONNECT_OPEN",
    2: "CONNECT_CLOSE",
    60: "CONNECT_SUPPORTS_FEATURE",
    66: "AUTH_LIST",
    303: "DOMAIN_MIGRATE_PREPARE3_PARAMS",
    306: "DOMAIN_MIGRATE_FINISH3_PARAMS",
    360: "CONNECT_REGISTER_CLOSE_CALLBACK",
    361: "CONNECT_UNREGISTER_CLOSE_CALLBACK",
}
Send = Callable[[bytes], Awaitable[None]]
Pieces = AsyncIterator[bytes]
Connect = Callable[[], Awaitable[tuple[Pieces, Send]]]


class PacketGate:
    """Takes the bytes of a connection in pieces, and gives the packets that may pass."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, piece: bytes) -> bytes:
        """Whole packets, as they came. Raises PermanentError (CallRefused)."""
        self._buffer += piece
        passed = bytearray()
        while (packet := self._next()) is not None:
            _judge(packet)
            passed += packet
        return bytes(passed)

    def _next(self) -> bytes | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if not _LENGTH.size + _HEADER.size <= length <= _MOST_BYTES:
            raise _refused(f"a packet of {length} bytes")
        if len(self._buffer) < length:
            return None
        packet = bytes(self._buffer[:length])
        del self._buffer[:length]
        return packet


def _judge(packet: bytes) -> None:
    program, _, procedure, kind, _, _ = _HEADER.unpack_from(packet, _LENGTH.size)
    if program == _KEEPALIVE and kind == _KEEPALIVE_MESSAGE:
        return
    if program != _REMOTE or kind != _CALL or procedure not in ALLOWED:
        raise _refused(f"procedure {procedure} of program {program:#x} (type {kind})")


def _refused(what: str) -> PermanentError:
    return PermanentError("CallRefused", f"The other host's libvirtd sent {what}, which no migration needs.")


async def relay(socket: Path, pieces: Pieces, send: Send) -> None:
    """Let `pieces`, which come from another host, pass to the libvirtd behind `socket`, and its answers to
    `send`, until either side ends. Raises PermanentError (CallRefused), OSError.
    """
    reader, writer = await asyncio.open_unix_connection(str(socket))
    gate = PacketGate()

    async def inwards() -> None:
        async for piece in pieces:
            writer.write(gate.feed(piece))
            await writer.drain()

    async def outwards() -> None:
        while piece := await reader.read(_CHUNK):
            await send(piece)

    await _until_one_ends(inwards(), outwards(), writer)


class RelaySocket:
    """A unix socket for our own libvirtd; what comes there goes to `connect`'s connection, unlooked at."""

    def __init__(self, path: Path, connect: Connect) -> None:
        self._path = path
        self._connect = connect
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, str(self._path))
        self._path.chmod(0o600)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        self._path.unlink(missing_ok=True)

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
            writer.close()


async def _until_one_ends(
    inwards: Awaitable[None], outwards: Awaitable[None], writer: asyncio.StreamWriter
) -> None:
    tasks = [asyncio.ensure_future(inwards), asyncio.ensure_future(outwards)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
