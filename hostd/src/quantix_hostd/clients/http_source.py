"""Fetches images over HTTP(S), and nothing that it should not reach.

Used by the image part. A URL comes from whoever may create an Image: every address that a name leads to is
judged before it is connected to, at each redirect anew, and the connection goes to exactly the address that
was judged.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from quantix_api.errors import PermanentError, TransientError
from quantix_api.messages import as_error
from quantix_client.server_names import ServerNames
from quantix_hostd.clients.http_download import (
    Download,
    Kept,
    length_of,
    offset_of,
    paced_chunks,
    range_headers,
)
from quantix_hostd.clients.http_trouble import trouble_of
from quantix_hostd.image_addresses import AddressRules, IPAddress, refuse_address, refuse_odd_host
from quantix_hostd.pace import Pace

_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WHOLE, _WHOLE_OR_PART = frozenset({200}), frozenset({200, 206, 416})
# RFC 9110, 8.8.2.2: a file that was changed twice within a second has one Last-Modified
_CERTAIN_AGE = timedelta(seconds=60)
Rules = Callable[[], Awaitable[AddressRules]]


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

    def __init__(self, rules: AddressRules, names: AbstractResolver) -> None:
        self._rules = rules
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        results = await self._names.resolve(host, port, family)
        for result in results:
            address = ipaddress.ip_address(result["host"].split("%")[0])
            refuse_address(host, address, self._rules, _is_own)
        return results

    async def close(self) -> None:
        """Nothing is kept."""


_PACE = Pace()


async def no_rules() -> AddressRules:
    """What holds without an administrator's word."""
    return AddressRules()


class HttpSource:
    """`async with source.open(url) as download: ...`

    `rules` are asked for at each download. How many downloads there are at once is the caller's to limit.
    """

    def __init__(self, rules: Rules = no_rules, pace: Pace = _PACE) -> None:
        self._rules = rules
        self._pace = pace
        self._names = ServerNames()

    @asynccontextmanager
    async def open(self, url: str, kept: Kept | None = None) -> AsyncIterator[Download]:
        """GET `url`, following redirects; after what is `kept`, where the server still has that very file.

        Raises TransientError: ImageUnreachable when the server does not deliver, AddressRefused when the
        address is not allowed (PermanentError where it is none at all). A body cut short, or slower than the
        pace, raises from `chunks`.
        """
        rules = await self._rules()
        async with _session(rules, self._names) as session:
            getting = _Getting(session, rules, self._pace)
            response = await getting.get(URL(url), kept)
            offset = 0 if kept is None else offset_of(response, kept)
            if offset is None:
                # the rest of something else: all of it, then
                response.close()
                response, offset = await getting.get(URL(url), None), 0
            try:
                yield Download(
                    length_of(response, kept if offset else None),
                    self._body(response),
                    offset,
                    _validator_of(response),
                )
            finally:
                response.close()

    def _body(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        server = response.url.host
        return paced_chunks(
            response,
            self._pace,
            broken=lambda error: _unreachable(server=server, why=trouble_of(error)),
            slow=lambda words: _unreachable(server=server, **words),
        )


def _session(rules: AddressRules, names: AbstractResolver) -> aiohttp.ClientSession:
    """One for a download: no connection outlives the rules that it was judged by."""
    # no limit here: the wait for a connection of ours would count as a timeout of the server
    resolver = _JudgingResolver(rules, names)
    connector = aiohttp.TCPConnector(resolver=resolver, limit=0, use_dns_cache=False)
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, connect=30, sock_connect=30, sock_read=60),
        # the file itself: what is packed for the way has other bytes, and other offsets
        headers={"User-Agent": "quantix-hostd", "Accept-Encoding": "identity"},
        auto_decompress=False,
    )


@dataclass(frozen=True)
class _Getting:
    """One download's way to its answer."""

    session: aiohttp.ClientSession
    rules: AddressRules
    pace: Pace

    async def get(self, url: URL, kept: Kept | None) -> aiohttp.ClientResponse:
        """The answer at the end of all redirects: 200, or with `kept` also 206 and 416."""
        seen: Sequence[URL] = ()
        taken = _WHOLE if kept is None else _WHOLE_OR_PART
        while True:
            response = await self._request(url, range_headers(kept))
            if response.status in taken:
                return response
            response.close()
            target = response.headers.get("Location")
            if response.status not in _REDIRECTS or not target:
                raise _unreachable(server=url.host, code=response.status, file=url.name or "/")
            seen = (*seen, url)
            if len(seen) > _MAX_REDIRECTS:
                raise _unreachable(server=seen[0].host, redirects=_MAX_REDIRECTS)
            url = _redirected(url, target)

    async def _request(self, url: URL, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        _refuse_url(url, self.rules)
        try:
            # the session's timeouts start anew with every byte of the answer's head
            async with asyncio.timeout(self.pace.answer_s):
                return await self.session.get(url, allow_redirects=False, headers=headers)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _unreachable(server=url.host, file=url.name or "/", why=trouble_of(error)) from error


def _validator_of(response: aiohttp.ClientResponse) -> str:
    """What If-Range may ask by: a strong ETag, or a time that nothing can have changed in since."""
    etag = response.headers.get("ETag", "")
    if etag.startswith('"'):
        return etag
    modified, date = response.headers.get("Last-Modified", ""), response.headers.get("Date", "")
    try:
        age = parsedate_to_datetime(date) - parsedate_to_datetime(modified)
    except (ValueError, TypeError):
        return ""
    return modified if not etag and age >= _CERTAIN_AGE else ""


def _refuse_url(url: URL, rules: AddressRules) -> None:
    if url.scheme not in ("http", "https") or not url.host:
        raise as_error(PermanentError, "AddressRefused", scheme=url.scheme or "Nothing")
    refuse_odd_host(url.host)
    try:
        literal = ipaddress.ip_address(url.host)
    except ValueError:
        return
    refuse_address(url.host, literal, rules, _is_own)


def _redirected(url: URL, target: str) -> URL:
    try:
        following = url.join(URL(target))
    except ValueError as error:
        raise _unreachable(server=url.host) from error
    if url.scheme == "https" and following.scheme != "https":
        raise as_error(PermanentError, "AddressRefused", server=url.host, scheme=following.scheme)
    return following


def _unreachable(**fields: object) -> TransientError:
    return as_error(TransientError, "ImageUnreachable", **fields)
