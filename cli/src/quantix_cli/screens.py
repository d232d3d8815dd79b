"""A guest's screen: a picture of it, and a port of this machine's loopback on which a VNC viewer finds it.

Used by `qx vm screenshot` and `qx vm view`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from quantix_cli import hostd
from quantix_cli.exits import CommandError, Exit
from quantix_cli.loopback import owner_of
from quantix_cli.session import Session
from quantix_client.both_ways import until_one_ends

_LOOPBACK = "127.0.0.1"
_CHUNK_BYTES = 64 * 1024
_MOST_PICTURE_BYTES = 65 << 20
_MOST_MESSAGE_BYTES = 1 << 20
_PNG = b"\x89PNG\r\n\x1a\n"


async def picture(session: Session, name: str) -> bytes:
    """The screen now, as PNG. Raises CommandError."""
    host = await hostd.host_of(session, name, "screen")
    async with hostd.reach(session, host) as api:
        try:
            async with api.http.get(api.url(_door(session, name, "screenshot"))) as response:
                if response.status != 200:
                    raise await hostd.explain_refusal(response, host)
                data = bytearray()
                async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                    data += chunk
                    if len(data) > _MOST_PICTURE_BYTES:
                        raise CommandError(Exit.FAILED, f"{host} sent more than a picture can be.")
        except aiohttp.ClientError as error:
            raise hostd.unreachable(host, error) from error
    if not data.startswith(_PNG):
        raise CommandError(Exit.FAILED, f"{host} sent no picture.")
    return bytes(data)


class Screen:
    """A port at which a viewer of this user finds the guest's screen."""

    def __init__(self, api: hostd.HostApi, path: str, first: aiohttp.ClientWebSocketResponse | None) -> None:
        self._api = api
        self._path = path
        self._first = first
        self._uid = os.getuid()

    async def serve(self, port: int) -> asyncio.Server:
        """Raises CommandError (1) where the port is taken."""
        try:
            return await asyncio.start_server(self._come, _LOOPBACK, port)
        except OSError as error:
            said = f"Port {port} of {_LOOPBACK} cannot be used: {error.strerror}."
            raise CommandError(Exit.FAILED, said, "another --port, or none") from error

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            own, peer = (writer.get_extra_info(end)[1] for end in ("sockname", "peername"))
            if await asyncio.to_thread(owner_of, own, peer) == self._uid:
                await self._carry(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, self._first = self._first, None
        socket = first or await self._api.http.ws_connect(
            self._api.url(self._path), max_msg_size=_MOST_MESSAGE_BYTES
        )
        async with socket:
            ways = (_to_viewer(socket, writer), _to_guest(reader, socket))
            await until_one_ends(*ways, gone=(OSError, aiohttp.ClientError))


@asynccontextmanager
async def screen(session: Session, name: str) -> AsyncIterator[Screen]:
    """The way to the guest's screen, open already. Raises CommandError when there is none."""
    host = await hostd.host_of(session, name, "screen")
    path = _door(session, name, "vnc")
    async with hostd.reach(session, host) as api:
        try:
            async with api.http.ws_connect(api.url(path), max_msg_size=_MOST_MESSAGE_BYTES) as socket:
                yield Screen(api, path, socket)
        except aiohttp.WSServerHandshakeError as error:
            raise await hostd.refusal(api, path) from error
        except aiohttp.ClientError as error:
            raise hostd.unreachable(host, error) from error


def _door(session: Session, name: str, door: str) -> str:
    return f"/v1/virtualmachines/{session.namespace}/{name}/{door}"


async def _to_viewer(socket: aiohttp.ClientWebSocketResponse, writer: asyncio.StreamWriter) -> None:
    async for message in socket:
        if message.type is aiohttp.WSMsgType.BINARY:
            writer.write(message.data)
            await writer.drain()


async def _to_guest(reader: asyncio.StreamReader, socket: aiohttp.ClientWebSocketResponse) -> None:
    while data := await reader.read(_CHUNK_BYTES):
        await socket.send_bytes(data)
