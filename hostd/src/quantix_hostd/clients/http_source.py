"""Fetches images over HTTP(S), and nothing that it should not reach.

Used by the image part. A URL comes from whoever may create an Image: every address that a name leads to is
judged before it is connected to, at each redirect anew, and the connection goes to exactly the address that
was judged.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from quantix_api.errors import PermanentError, TransientError
from quantix_api.messages import as_error
from quantix_hostd.pace import Pace, PaceKeeper

_MAX_REDIRECTS = 5
_CHUNK_BYTES = 1 << 20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Instance metadata services outside the link-local ranges (EC2 over IPv6, Alibaba)
_METADATA = frozenset(ipaddress.ip_address(text) for text in ("fd00:ec2::254", "100.100.100.200"))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Download:
    """An open answer: its length if the server told, and the body piece by piece."""

    length_bytes: int | None
    chunks: AsyncIterator[bytes]


def refuse_address(host: str, address: IPAddress, allowed: frozenset[IPAddress] = frozenset()) -> None:
    """Raise PermanentError (AddressRefused) for an address that no image may come from.

    That is every address of this host, too: whoever may create an Image must not read what only the host
    may. `allowed` are exceptions.
    """
    real = _carried(address)
    if real in allowed:
        return
    special = real.is_link_local or real.is_multicast or real.is_unspecified or real.is_loopback
    if special or real in _METADATA or _is_own(real):
        raise as_error(PermanentError, "AddressRefused", server=host, address=address)


def _carried(address: IPAddress) -> IPAddress:
    """The IPv4 address that an IPv6 one stands for (mapped, 6to4, NAT64), else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_own(address: IPAddress) -> bool:
    """Whether the kernel has the address on an interface: only then a socket can be bound to it."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


class _JudgingResolver(AbstractResolver):
    """Resolves names and refuses them whole when one of their addresses is refused."""

    def __init__(self, allowed: frozenset[IPAddress]) -> None:
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        results: list[ResolveResult] = []
        for kind, _, protocol, _, place in found:
            refuse_address(host, ipaddress.ip_address(str(place[0]).split("%")[0]), self._allowed)
            results.append(
                ResolveResult(
                    hostname=host,
                    host=str(place[0]),
                    port=port,
                    family=kind,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST,
                )
            )
        return results

    async def close(self) -> None:
        """Nothing is kept."""


_PACE = Pace()


class HttpSource:
    """`async with HttpSource() as source: async with source.open(url) as download: ...`

    `allowed` are addresses that may be fetched from although they would be refused. How many downloads there
    are at once is the caller's to limit.
    """

    def __init__(self, allowed: frozenset[IPAddress] = frozenset(), pace: Pace = _PACE) -> None:
        self._allowed = allowed
        self._pace = pace
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # no limit here: the wait for a connection of ours would count as a timeout of the server
        connector = aiohttp.TCPConnector(
            resolver=_JudgingResolver(self._allowed), limit=0, use_dns_cache=False
        )
        timeout = aiohttp.ClientTimeout(total=None, connect=30, sock_connect=30, sock_read=60)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            headers={"User-Agent": "quantix-hostd"},
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Download]:
        """GET `url`, following redirects.

        Raises TransientError (ImageUnreachable) when the server does not deliver, PermanentError
        (AddressRefused) when the address is not allowed. A body cut short, or slower than the pace, raises
        from `chunks`.
        """
        response = await self._get(URL(url))
        try:
            yield Download(response.content_length, _body(response, self._pace))
        finally:
            response.close()

    async def _get(self, url: URL) -> aiohttp.ClientResponse:
        seen: Sequence[URL] = ()
        while True:
            response = await self._request(url)
            if response.status == 200:
                return response
            response.close()
            target = response.headers.get("Location")
            if response.status not in _REDIRECTS or not target:
                raise _unreachable(server=url.host, code=response.status, file=url.name or "/")
            seen = (*seen, url)
            if len(seen) > _MAX_REDIRECTS:
                raise _unreachable(server=seen[0].host, redirects=_MAX_REDIRECTS)
            url = _redirected(url, target)

    async def _request(self, url: URL) -> aiohttp.ClientResponse:
        if self._session is None:
            raise RuntimeError("HttpSource is used outside its `async with`")
        _refuse_url(url, self._allowed)
        try:
            # the session's timeouts start anew with every byte of the answer's head
            async with asyncio.timeout(self._pace.answer_s):
                return await self._session.get(url, allow_redirects=False)
        except PermanentError:
            raise
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _unreachable(server=url.host, file=url.name or "/", said=_words(error)) from error


def _refuse_url(url: URL, allowed: frozenset[IPAddress]) -> None:
    if url.scheme not in ("http", "https") or not url.host:
        raise as_error(PermanentError, "AddressRefused", scheme=url.scheme or "Nothing")
    try:
        literal = ipaddress.ip_address(url.host)
    except ValueError:
        return
    refuse_address(url.host, literal, allowed)


def _redirected(url: URL, target: str) -> URL:
    try:
        following = url.join(URL(target))
    except ValueError as error:
        raise _unreachable(server=url.host) from error
    if url.scheme == "https" and following.scheme != "https":
        raise as_error(PermanentError, "AddressRefused", server=url.host, scheme=following.scheme)
    return following


async def _body(response: aiohttp.ClientResponse, pace: Pace) -> AsyncIterator[bytes]:
    keeper = PaceKeeper(pace)
    pieces = response.content.iter_chunked(_CHUNK_BYTES)
    while True:
        asked_at_s = time.monotonic()
        try:
            chunk = await anext(pieces, None)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(server=response.url.host, said=_words(error)) from error
        if chunk is None:
            return
        if not keeper.keeps(time.monotonic() - asked_at_s, len(chunk)):
            raise _unreachable(server=response.url.host, **pace.words)
        yield chunk


def _unreachable(**fields: object) -> TransientError:
    return as_error(TransientError, "ImageUnreachable", **fields)


def _words(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:200]
