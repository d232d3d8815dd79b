"""HTTP to the API server: connections, credentials that rotate, deadlines and retries.

Used by `ApiClient` alone. It knows nothing of resources; every failure becomes a class of
`quantix_client.errors`.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.connector import NEEDS_CLEANUP_CLOSED

from quantix_api.errors import PermanentError
from quantix_client import kubeconfig
from quantix_client.clock import Clock, SystemClock
from quantix_client.errors import ApiError, Silent, Unauthorized, Unreachable, from_status
from quantix_client.server_names import ServerNames

_ATTEMPTS = 5
_BACKOFF_S = 0.1
_MAX_RETRY_AFTER_S = 10.0
_CONNECT_TIMEOUT_S = 5.0
# Objects are at most 1.5 MiB in etcd, a page holds 500: bounded so that a hostile server cannot fill memory
_MAX_BODY_BYTES = 512 * 1024 * 1024

_ESCAPED = re.compile("[\x7f-\uffff]")
_CONNECTION_ERRORS = (aiohttp.ClientError, asyncio.TimeoutError, OSError)


@dataclass(frozen=True)
class Call:
    """One request. `idempotent`: doing it twice is doing it once, so a lost answer may be retried."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"
    idempotent: bool = False


OnAnswer = Callable[[Call, int, float], None]


class Transport:
    """Keeps connections to the API server of one kubeconfig; reads its files again when they change.

    `on_answer` is told of every attempt: the call, the status code (0: no answer) and the seconds until it.
    """

    def __init__(
        self,
        path: Path,
        *,
        context: str | None = None,
        user_agent: str,
        timeout_s: float = 30.0,
        clock: Clock | None = None,
        on_answer: OnAnswer | None = None,
    ) -> None:
        self._path = path
        self._context = context
        self._user_agent = user_agent
        self._timeout_s = timeout_s
        self._clock = clock or SystemClock()
        self._on_answer = on_answer
        self._load()
        self._session: aiohttp.ClientSession | None = None

    @property
    def access(self) -> kubeconfig.Access:
        """What the kubeconfig said when it was last read."""
        return self._access

    async def close(self) -> None:
        """End all connections, also those that still wait for the server to answer their good-bye."""
        if self._session is not None:
            await self._session.close()
            self._session = None
            # aiohttp breaks those off without waiting: one turn of the loop closes their sockets
            await asyncio.sleep(0)

    async def send(self, call: Call) -> dict[str, Any]:
        """The decoded answer. Retries what is safe to retry, then raises an ApiError."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._send_once(call)
            except ApiError as error:
                delay_s = _retry_delay_s(call, error, attempt)
                if delay_s is None or attempt == _ATTEMPTS:
                    raise
            await self._clock.sleep(delay_s)
        raise AssertionError("unreachable: the last attempt returns or raises")

    @asynccontextmanager
    async def stream(self, call: Call, *, silence_s: float) -> AsyncIterator[aiohttp.StreamReader]:
        """The body of a long answer. Raises Silent when nothing arrives for `silence_s` seconds."""
        timeout = aiohttp.ClientTimeout(total=None, connect=_CONNECT_TIMEOUT_S, sock_read=silence_s)
        try:
            async with self._open(call, timeout) as response:
                if response.status >= 400:
                    raise await _refusal(response)
                yield response.content
        except aiohttp.SocketTimeoutError as error:
            raise Silent(f"{call.path} was silent for {silence_s:.0f} s") from error
        except _CONNECTION_ERRORS as error:
            raise _unreachable(call, self._access.server, error) from error

    async def _send_once(self, call: Call) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=self._timeout_s, connect=_CONNECT_TIMEOUT_S)
        try:
            async with self._open(call, timeout) as response:
                if response.status >= 400:
                    raise await _refusal(response)
                return await _document(response)
        except _CONNECTION_ERRORS as error:
            raise _unreachable(call, self._access.server, error) from error

    @asynccontextmanager
    async def _open(
        self, call: Call, timeout: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        self._reload_if_changed()
        session = self._opened_session()
        headers = {"Accept": "application/json", **self._access.headers}
        data = None
        if call.body is not None:
            headers["Content-Type"] = call.content_type
            data = render_body(call.body)
        began_s = self._clock.monotonic()
        try:
            response = await session.request(
                call.method,
                self._access.server + call.path,
                params=dict(call.params),
                data=data,
                headers=headers,
                timeout=timeout,
                ssl=self._ssl if self._ssl is not None else True,
                server_hostname=self._access.tls_server_name,
                allow_redirects=False,
            )
        except _CONNECTION_ERRORS:
            self._tell(call, 0, began_s)
            raise
        async with response:
            self._tell(call, response.status, began_s)
            yield response

    def _tell(self, call: Call, code: int, began_s: float) -> None:
        if self._on_answer is not None:
            self._on_answer(call, code, self._clock.monotonic() - began_s)

    def _opened_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            # One connection a watch, so no limit here; the callers bound how much they do at once
            connector = aiohttp.TCPConnector(
                limit=0,
                socket_factory=_keepalive_socket,
                resolver=ServerNames(),
                # A watch given up says good-bye by TLS: a server that does not answer is not waited for long
                enable_cleanup_closed=NEEDS_CLEANUP_CLOSED,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers={"User-Agent": self._user_agent},
                auto_decompress=True,
                trust_env=False,
            )
        return self._session

    def _load(self) -> None:
        access = kubeconfig.load(self._path, self._context)
        try:
            self._ssl = access.ssl_context()
        except ssl.SSLError as error:
            raise PermanentError(
                "KubeconfigInvalid",
                f"The kubeconfig {self._path} has a certificate or key that is none: {error}",
            ) from error
        self._marks = kubeconfig.fingerprint(access.watched)
        self._access = access

    def _reload_if_changed(self) -> None:
        """Rotated credentials make a new TLS context; aiohttp pools connections by context, old ones idle
        out.

        A file caught half-written keeps the old credentials; the next request looks again.
        """
        if kubeconfig.fingerprint(self._access.watched) == self._marks:
            return
        try:
            self._load()
        except PermanentError as error:
            raise Unauthorized(f"The credentials are being replaced: {error.message}") from error


def render_body(body: Any) -> bytes:
    """JSON that is YAML, too: as that an apply is read, which knows no pairs of escapes for characters beyond
    U+FFFF (YAML 1.1, section 5.6), so these stand as they are. Half a pair is no character (U+FFFD).
    """
    return _ESCAPED.sub(_escape, json.dumps(body, ensure_ascii=False)).encode()


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\u{0xFFFD if 0xD800 <= code <= 0xDFFF else code:04x}"


def _keepalive_socket(info: tuple[Any, ...]) -> socket.socket:
    """A peer that vanished without a word is noticed in about 12 s, not after the kernel's two hours."""
    family, kind, protocol = info[0], info[1], info[2]
    connection = socket.socket(family, kind, protocol)
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 4)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 12_000)
    return connection


async def _document(response: aiohttp.ClientResponse) -> dict[str, Any]:
    if (response.content_length or 0) > _MAX_BODY_BYTES:
        raise Unreachable(f"The API server sent {response.content_length} bytes at once")
    document = await response.json(content_type=None)
    if not isinstance(document, dict):
        raise Unreachable(f"The API server's answer to {response.method} {response.url.path} is no object")
    return document


async def _refusal(response: aiohttp.ClientResponse) -> ApiError:
    text = (await response.content.read(64 * 1024)).decode("utf-8", "replace")
    try:
        status = json.loads(text)
    except ValueError:
        status = {"message": text.strip()[:1024]}
    error = from_status(response.status, status if isinstance(status, dict) else {"message": text[:1024]})
    error.retry_after_s = _retry_after_s(response.headers.get("Retry-After"))
    return error


def _retry_after_s(header: str | None) -> float | None:
    """Kubernetes sends whole seconds (the HTTP date form is not used by it)."""
    return min(float(header), _MAX_RETRY_AFTER_S) if header is not None and header.isdigit() else None


def _retry_delay_s(call: Call, error: ApiError, attempt: int) -> float | None:
    """Seconds to wait before trying again, or None when it must not be tried again here.

    429 is sent before anything was done, so any request may be repeated; 503 and lost answers only what is
    idempotent.
    """
    backoff_s = _BACKOFF_S * 2**attempt * random.uniform(0.5, 1.0)
    if error.code == 429:
        return error.retry_after_s if error.retry_after_s is not None else backoff_s
    if not call.idempotent:
        return None
    if error.code == 503 and error.retry_after_s is not None:
        return error.retry_after_s
    return backoff_s if isinstance(error, Unreachable) else None


def _unreachable(call: Call, server: str, error: BaseException) -> Unreachable:
    cause = _cause(error)
    raised = Unreachable(
        f"The API server {server} did not answer {call.method} {call.path}: {cause}",
        hint="see whether it runs: qx status",
    )
    raised.server, raised.cause = server, cause
    return raised


def _cause(error: BaseException) -> str:
    """What happened, in words for people: aiohttp's hold reprs of our TLS context."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted ({error.certificate_error})"
    if isinstance(error, aiohttp.ClientConnectorError):
        return os.strerror(error.os_error.errno) if error.os_error.errno else str(error.os_error)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
