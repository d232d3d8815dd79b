"""Who asks what would happen, and may they: GET /v1/plan/{maintenance|host-loss}/{host}, /v1/plan/balance.

Root on a unix socket may ask; whoever comes over TCP shows a bearer token, and the API server says whose it
is (TokenReview) and whether they may `get hosts/plan` (SubjectAccessReview). Made by `service`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from quantix_api.balance_plan import BALANCE
from quantix_api.errors import QuantixError
from quantix_api.host_plan import QUESTIONS, Question
from quantix_api.resources import GROUP, HOSTS
from quantix_client.api import ApiClient
from quantix_client.reviews import Access, may, whose_token

_BEARER = "Bearer "
_PATH = "/v1/plan/{question}/{host}"
_BALANCE_PATH = f"/v1/plan/{BALANCE}"
# the API is asked for everybody who knocks, and many may knock
_AT_A_TIME = 4
_SHUTDOWN_S = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Reply:
    """A plan, or a sentence of why there is none, with the status that says so."""

    status: int
    document: dict[str, Any] | None = None
    sentence: str = ""


Answer = Callable[[Question, str], Awaitable[Reply]]
AnswerBalance = Callable[[], Awaitable[Reply]]


class PlanDoor:
    """Both ways to one answer."""

    def __init__(self, api: ApiClient, answer: Answer, answer_balance: AnswerBalance) -> None:
        self._api = api
        self._answer, self._answer_balance = answer, answer_balance
        self._knocking = asyncio.Semaphore(_AT_A_TIME)

    def routes(self, *, local: bool) -> list[web.RouteDef]:
        """For an application; `local` where only root comes."""

        async def plan(request: web.Request) -> web.Response:
            host = request.match_info["host"]
            question = next((known for known in QUESTIONS if known == request.match_info["question"]), None)
            if not local:
                await self._admit(request, host)
            if question is None:
                raise web.HTTPNotFound(text=f"There are plans of: {', '.join(QUESTIONS)}.")
            return _response(await self._answer(question, host))

        async def balance(request: web.Request) -> web.Response:
            if not local:
                await self._admit(request, "")
            return _response(await self._answer_balance())

        return [web.get(_PATH, plan), web.get(_BALANCE_PATH, balance)]

    @asynccontextmanager
    async def serving_root(self, path: Path) -> AsyncIterator[None]:
        """Serve root on a unix socket while inside; one left behind by an earlier process is replaced.

        Where that cannot be had it is logged: nothing that the operator decides depends on it.
        """
        application = web.Application()
        application.add_routes(self.routes(local=True))
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        try:
            try:
                await web.SockSite(runner, _listener(path)).start()
            except OSError as error:
                log.warning("plans are not served to root", path=str(path), error=str(error))
            yield
        finally:
            await runner.cleanup()

    async def _admit(self, request: web.Request, host: str) -> None:
        header = request.headers.get("Authorization", "")
        access = Access("get", GROUP, HOSTS.plural, name=host, subresource="plan")
        token = header.removeprefix(_BEARER).strip() if header.startswith(_BEARER) else ""
        async with self._knocking:
            try:
                identity = await whose_token(self._api, token) if token else None
                allowed = identity is not None and await may(self._api, identity, access)
            except QuantixError as error:
                raise web.HTTPServiceUnavailable(text=f"Nobody can be asked who calls: {error}") from error
        if identity is None:
            raise web.HTTPUnauthorized(text="Nobody known calls. Try: a token of the cluster.")
        if not allowed:
            raise web.HTTPForbidden(
                text=f"{identity.name} may not get {f'hosts/plan {host}'.rstrip()}. Try: ask for a role."
            )


def _response(reply: Reply) -> web.Response:
    if reply.document is None:
        return web.Response(text=reply.sentence, status=reply.status)
    return web.json_response(reply.document, status=reply.status)


def _listener(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # before it has a name, so that nobody else can connect meanwhile
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    return listener
