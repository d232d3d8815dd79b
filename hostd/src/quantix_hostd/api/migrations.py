"""What another host's hostd asks while a guest of it moves here: a way to our libvirtd, and to take it over.

Only the source of a migration that the API knows, by the certificate of that host, and only until it ended.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from ipaddress import ip_address
from typing import Any
from xml.etree.ElementTree import Element

import structlog
from aiohttp import WSMsgType, web

from quantix_api.errors import QuantixError
from quantix_api.resources import HOST_USER_PREFIX
from quantix_api.vm_status import MAX_CLAIM_EPOCH
from quantix_hostd.api.backend import Backend
from quantix_hostd.api.guard import ADMITTED, identity_of
from quantix_hostd.clients.libvirt_packets import PacketGate
from quantix_hostd.clients.libvirt_relay import relay
from quantix_hostd.domainxml.spec import domain_name
from quantix_hostd.migration.coming import IncomingMove
from quantix_hostd.migration.sent_domain import why_not

_LOOK_S = 1.0

log = structlog.get_logger(__name__)


class MigrationDoors:
    """For the source's hostd alone: root on this machine has no business here."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._ways: Counter[str] = Counter()
        """How many there are now, by UID of the migration."""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/migrations/{uid}/libvirt", self._libvirt),
            web.post("/v1/migrations/{uid}/switching", self._switching),
            web.post("/v1/migrations/{uid}/handed-over", self._handed_over),
        ]

    async def _libvirt(self, request: web.Request) -> web.StreamResponse:
        move = self._admit(request)
        sender = _sender(request)
        with self._counted(move):
            # before the other's libvirtd hears anything: what it asks first is that QEMU receives
            async with self._backend.open_to(sender):
                return await self._lead_to_libvirt(request, move)

    @contextmanager
    def _counted(self, move: IncomingMove) -> Iterator[None]:
        """Each takes memory for what comes. Raises HTTPTooManyRequests."""
        if self._ways[move.uid] >= _MOST_WAYS:
            raise web.HTTPTooManyRequests(text="This migration has its ways to libvirtd.")
        self._ways[move.uid] += 1
        try:
            yield
        finally:
            self._ways[move.uid] -= 1
            if not self._ways[move.uid]:
                del self._ways[move.uid]

    async def _lead_to_libvirt(self, request: web.Request, move: IncomingMove) -> web.StreamResponse:
        socket = web.WebSocketResponse(max_msg_size=_MOST_BYTES)
        await socket.prepare(request)
        assert self._backend.moves is not None
        may_make = partial(self._why_not, move)
        may_go_on = partial(self._backend.moves.switched.may_go_on, move)
        gate = PacketGate(domain_name(move.vm_uid), may_make, may_go_on)
        ending = asyncio.create_task(self._close_when_over(move, socket), name=f"way-{move.uid}")
        try:
            await relay(self._backend.layout.libvirt_socket, gate, _pieces(socket), socket.send_bytes)
        except (QuantixError, OSError) as error:
            log.warning("the way to libvirtd ended", migration=move.uid, source=move.source, error=str(error))
        finally:
            ending.cancel()
            await socket.close()
        return socket

    async def _close_when_over(self, move: IncomingMove, socket: web.WebSocketResponse) -> None:
        """A source that keeps its way would keep QEMU's ports open to itself, too."""
        assert self._backend.moves is not None
        while True:
            await asyncio.sleep(_LOOK_S)
            if self._backend.moves.move(move.uid) is None:
                await socket.close()
                return

    async def _switching(self, request: web.Request) -> web.Response:
        move = self._admit(request)
        epoch = await _epoch(request, least=0)
        assert self._backend.moves is not None
        await self._backend.moves.switched.switching(move, epoch)
        return web.json_response({"noted": True})

    async def _handed_over(self, request: web.Request) -> web.Response:
        move = self._admit(request, half=True)
        epoch = await _epoch(request, least=1)
        assert self._backend.moves is not None
        await self._backend.moves.handed_over(move, epoch)
        return web.json_response({"running": True})

    def _why_not(self, move: IncomingMove, domain: Element) -> str:
        """Asked anew for each: a connection may be held open for longer than the migration goes on."""
        assert self._backend.moves is not None
        guest = self._backend.moves.awaited(move.uid)
        return why_not(guest, domain) if guest is not None else "a guest whose migration is over"

    def _admit(self, request: web.Request, *, half: bool = False) -> IncomingMove:
        """`half`: also where the API has the migration no more, and half of the guest is here. Raises
        HTTPForbidden for anybody but the source, HTTPNotFound for no such migration.
        """
        identity = identity_of(request.get_extra_info("peercert"))
        moves, uid = self._backend.moves, request.match_info["uid"]
        move = moves.move(uid) if moves is not None else None
        if move is None and moves is not None and half:
            move = moves.half(uid)
        if move is None:
            raise web.HTTPNotFound(text="No migration of this UID comes here.")
        if identity is None or identity.name != f"{HOST_USER_PREFIX}{move.source}":
            raise web.HTTPForbidden(text="Only the host that the guest comes from may ask this.")
        request[ADMITTED] = identity
        return move


# the source's hostd sends 64 KiB at once
_MOST_BYTES = 1024 * 1024
# libvirt takes one for a migration; another may come before the end of the last one is seen
_MOST_WAYS = 2


def _sender(request: web.Request) -> str:
    """From which address the source's QEMU comes: the source knows its routes, and nobody can connect by an
    address that is not its own. Raises HTTPBadRequest.
    """
    said = request.query.get("from", "")
    try:
        # a scope (fe80::1%eth0) is the other host's own word for one of its wires
        return str(ip_address(said.replace("%", " ")))
    except ValueError:
        raise web.HTTPBadRequest(text="from is the address that the guest is sent from.") from None


async def _epoch(request: web.Request, least: int) -> int:
    """What the source says. Raises HTTPBadRequest."""
    try:
        body: Any = await request.json()
    except ValueError:
        # neither JSON nor a text
        body = None
    epoch = body.get("epoch") if isinstance(body, dict) else None
    if not isinstance(epoch, int) or isinstance(epoch, bool) or not least <= epoch <= MAX_CLAIM_EPOCH:
        raise web.HTTPBadRequest(text='The body is to be {"epoch": N}.')
    return epoch


async def _pieces(socket: web.WebSocketResponse) -> AsyncIterator[bytes]:
    async for message in socket:
        if message.type is not WSMsgType.BINARY:
            return
        yield message.data
