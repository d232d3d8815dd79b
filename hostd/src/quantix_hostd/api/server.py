"""Serves hostd's API on root's unix socket and, once there is a certificate, on TLS.

Started by `assembly`. Every request is answered: an error of ours becomes a sentence and a status, anything
else is a bug that is logged and answered with 500 by aiohttp.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from pathlib import Path

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from quantix_api.errors import PermanentError, QuantixError
from quantix_api.resources import IMAGES, VOLUMES
from quantix_api.scalars import is_name
from quantix_hostd.api.backend import Backend
from quantix_hostd.api.gate import Gate
from quantix_hostd.api.guard import ADMITTED, Guard, LocalGuard, ReviewingGuard
from quantix_hostd.api.host import HostDoors
from quantix_hostd.api.images import ImageDoors, status_of
from quantix_hostd.api.migrations import MigrationDoors
from quantix_hostd.api.request_log import request_logger
from quantix_hostd.api.uploads import UploadDoors
from quantix_hostd.api.virtual_machines import VirtualMachineDoors

# What a handler may read at once; uploads are streamed and bounded by what they may be
_MAX_BODY_BYTES = 64 * 1024
_SHUTDOWN_S = 1.0
_KNOWN_S = 20.0
_OF_HOST = ("/healthz", "/metrics", "/v1/host/")
_IDLE_S = 15.0

log = structlog.get_logger(__name__)


class ApiServer:
    """Both doors of one process."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._runners: list[web.AppRunner] = []
        self._gate: Gate | None = None

    async def open_socket(self, path: Path) -> None:
        """Serve root on a unix socket; one left behind by an earlier process is replaced."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        runner = await self._runner(LocalGuard())
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # before it has a name, so that nobody else can connect meanwhile
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(str(path))
        await web.SockSite(runner, listener).start()

    async def open_tls(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        """Serve everybody on a bound socket; `context` may get a new certificate at any time."""
        runner = await self._runner(ReviewingGuard(self._backend.api))
        assert runner.server is not None
        self._gate = Gate(runner.server)
        self._gate.open(listener, context)
        log.info("API served", address=str(listener.getsockname()))

    async def close(self) -> None:
        if self._gate is not None:
            await self._gate.close()
        for runner in self._runners:
            await runner.cleanup()

    async def _runner(self, guard: Guard) -> web.AppRunner:
        runner = web.AppRunner(
            build_app(self._backend, guard),
            access_log=None,
            logger=request_logger(),
            shutdown_timeout=_SHUTDOWN_S,
            keepalive_timeout=_IDLE_S,
            # a body is what it was announced as: unpacked it could be of any size
            auto_decompress=False,
        )
        await runner.setup()
        self._runners.append(runner)
        return runner


def build_app(backend: Backend, guard: Guard) -> web.Application:
    """All routes behind one guard."""
    known = _wait_until_known(backend)
    asked = [_say_why, _refuse_what_is_no_name, known]
    middlewares = asked if guard.local else [_keep_the_admitted, *asked]
    app = web.Application(client_max_size=_MAX_BODY_BYTES, middlewares=middlewares)
    app.add_routes(VirtualMachineDoors(backend, guard).routes())
    app.add_routes(ImageDoors(backend, guard).routes())
    app.add_routes(UploadDoors(backend, guard, IMAGES, backend.uploads).routes())
    app.add_routes(UploadDoors(backend, guard, VOLUMES, backend.volume_uploads).routes())
    app.add_routes(HostDoors(backend, guard).routes())
    if not guard.local:
        app.add_routes(MigrationDoors(backend).routes())
    return app


def bind(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet, so that its port is known early.

    Raises PermanentError (PortTaken, AddressUnknown).
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PermanentError(
            "PortTaken", f"{host}:{port} cannot be used. Said: {error.strerror}", "give another --listen"
        ) from error
    return listener


def server_context(client_ca_pem: str) -> ssl.SSLContext:
    """TLS that asks for, but does not insist on, a client certificate of the cluster."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=client_ca_pem)
    return context


def _wait_until_known(backend: Backend) -> Middleware:
    """The socket is open before hostd has heard what objects there are: who asks for one of them waits, since
    "not here" would be wrong.
    """

    @web.middleware
    async def wait(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(_OF_HOST):
            try:
                async with asyncio.timeout(_KNOWN_S):
                    await backend.known()
            except TimeoutError:
                said = "hostd has not heard from the API yet. Try: again once qx status shows it."
                raise web.HTTPServiceUnavailable(text=said) from None
        return await handler(request)

    return wait


@web.middleware
async def _say_why(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except QuantixError as error:
        return web.Response(status=status_of(error), text=str(error))


@web.middleware
async def _refuse_what_is_no_name(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A part of a path may hold `%2F`, and be asked of the API with more rights than the caller has."""
    for part in ("namespace", "name", "uid"):
        if not is_name(request.match_info.get(part, part)):
            raise web.HTTPNotFound(text=f"No object has such a {part}.")
    return await handler(request)


@web.middleware
async def _keep_the_admitted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A connection is kept for whoever was admitted; anybody else connects again for each answer."""
    try:
        answer = await handler(request)
    except web.HTTPException as refusal:
        _close_to_strangers(request, refusal)
        raise
    _close_to_strangers(request, answer)
    return answer


def _close_to_strangers(request: web.Request, answer: web.StreamResponse) -> None:
    if ADMITTED not in request:
        answer.force_close()
