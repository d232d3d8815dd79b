"""The doors to one guest: its serial console, its screen, and the tail of what its console said."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from aiohttp import WSMsgType, web

from quantix_api.resources import VIRTUAL_MACHINES
from quantix_client.both_ways import until_one_ends
from quantix_hostd.api.backend import METRICS_TYPE, Backend
from quantix_hostd.api.guard import Guard, access_to
from quantix_hostd.api.lacking import lacks
from quantix_hostd.api.pictures import MOST_BYTES, as_png
from quantix_hostd.domainxml.spec import domain_name
from quantix_hostd.events import tell
from quantix_hostd.told import console_event
from quantix_hostd.virtualmachine.console import ConsoleData, ConsoleMode, ConsoleViewer

_MAX_MESSAGE_BYTES = 64 * 1024
_HEARTBEAT_S = 20.0
_CHUNK_BYTES = 64 * 1024
_MAX_LOG_BYTES = 1 << 20
_MAX_LINES = 10_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Admitted:
    """Who may pass a door, and to which VM."""

    vm: Mapping[str, Any]
    user: str

    @property
    def uid(self) -> str:
        return str(self.vm["metadata"]["uid"])


class VirtualMachineDoors:
    """Handlers below /v1/virtualmachines."""

    def __init__(self, backend: Backend, guard: Guard) -> None:
        self._backend = backend
        self._guard = guard
        # a picture takes memory and time that guests choose
        self._drawing = asyncio.Semaphore(1)

    def routes(self) -> list[web.RouteDef]:
        base = "/v1/virtualmachines/{namespace}/{name}"
        return [
            web.get(f"{base}/console", self.console),
            web.get(f"{base}/vnc", self.vnc),
            web.get(f"{base}/screenshot", self.screenshot),
            web.get(f"{base}/log", self.log),
            web.get(f"{base}/metrics", self.metrics),
        ]

    async def console(self, request: web.Request) -> web.StreamResponse:
        """Both ways in binary frames; text frames are JSON: mode (readOnly) and off. `lines` (=40, or 0) of
        what was said before come first."""
        opened = await self._admit(request, "create", "console")
        take = request.query.get("take") == "1"
        viewer = self._backend.consoles.open(opened.uid, take=take, lines=_lines(request, least=0))
        if viewer is None:
            raise web.HTTPConflict(text=lacks(opened.vm, "console"))
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=_MAX_MESSAGE_BYTES)
        try:
            await socket.prepare(request)
            self._tell(opened, "serial console")
            await until_one_ends(_show(viewer, socket), _type(viewer, socket))
        finally:
            viewer.close()
        return socket

    async def vnc(self, request: web.Request) -> web.StreamResponse:
        """The bytes of RFB in binary frames."""
        opened = await self._admit(request, "create", "vnc")
        path = self._backend.layout.vm_run(opened.uid) / "vnc.sock"
        try:
            reader, writer = await asyncio.open_unix_connection(path)
        except OSError as error:
            raise web.HTTPConflict(text=lacks(opened.vm, "screen")) from error
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=_MAX_MESSAGE_BYTES)
        try:
            await socket.prepare(request)
            self._tell(opened, "screen")
            await until_one_ends(_from_guest(reader, socket), _to_guest(socket, writer))
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return socket

    async def screenshot(self, request: web.Request) -> web.Response:
        """The screen now, as PNG."""
        opened = await self._admit(request, "get", "screenshot")
        async with self._drawing:
            picture = await self._backend.screens.screenshot(domain_name(opened.uid), MOST_BYTES)
            png = await asyncio.to_thread(as_png, picture.data) if picture else None
        if png is None:
            raise web.HTTPConflict(text=lacks(opened.vm, "screen"))
        return web.Response(body=png, content_type="image/png", headers={"Cache-Control": "no-store"})

    async def log(self, request: web.Request) -> web.Response:
        """The last `lines` (=40) of the console's log; control characters are made visible."""
        opened = await self._admit(request, "get", "log")
        lines = _lines(request)
        text = await asyncio.to_thread(_tail, self._backend.layout.vm_log(opened.uid) / "console.log", lines)
        return web.Response(text=text)

    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus' text about this VM alone, for who may see no other; asked too often for an audit."""
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        await self._guard.admit(request, access_to("get", "virtualmachines", "metrics", namespace, name))
        uid = str(self._backend.vm(f"{namespace}/{name}")["metadata"]["uid"])
        text = await self._backend.metrics(uid)
        return web.Response(body=text, headers={"Content-Type": METRICS_TYPE})

    async def _admit(self, request: web.Request, verb: str, subresource: str) -> _Admitted:
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        access = access_to(verb, "virtualmachines", subresource, namespace, name)
        identity = await self._guard.admit(request, access)
        admitted = _Admitted(self._backend.vm(f"{namespace}/{name}"), identity.name)
        log.info(
            "door opened",
            audit=True,
            door=subresource,
            namespace=namespace,
            name=name,
            uid=admitted.uid,
            user=admitted.user,
        )
        return admitted

    def _tell(self, opened: _Admitted, door: str) -> None:
        told = console_event(opened.user, door, self._backend.host)
        tell(self._backend.events, VIRTUAL_MACHINES, opened.vm, told)


def _lines(request: web.Request, least: int = 1) -> int:
    try:
        return min(max(int(request.query.get("lines", "40")), least), _MAX_LINES)
    except ValueError as error:
        raise web.HTTPBadRequest(text="lines is a number.") from error


async def _show(viewer: ConsoleViewer, socket: web.WebSocketResponse) -> None:
    while True:
        message = await viewer.next_message()
        if isinstance(message, ConsoleData):
            await socket.send_bytes(message.data)
        elif isinstance(message, ConsoleMode):
            await socket.send_str(json.dumps({"type": "mode", "readOnly": message.read_only}))
        else:
            await socket.send_str(json.dumps({"type": "off"}))
            await socket.close()
            return


async def _type(viewer: ConsoleViewer, socket: web.WebSocketResponse) -> None:
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            await viewer.write(message.data)


async def _from_guest(reader: asyncio.StreamReader, socket: web.WebSocketResponse) -> None:
    while data := await reader.read(_CHUNK_BYTES):
        await socket.send_bytes(data)
    await socket.close()


async def _to_guest(socket: web.WebSocketResponse, writer: asyncio.StreamWriter) -> None:
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            writer.write(message.data)
            await writer.drain()


def _tail(path: Path, lines: int) -> str:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - _MAX_LOG_BYTES))
            content = file.read(_MAX_LOG_BYTES)
    except FileNotFoundError:
        return ""
    text = content.decode("utf-8", errors="replace").replace("\r\n", "\n")
    kept = text.splitlines(keepends=True)[-lines:]
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", "".join(kept))
