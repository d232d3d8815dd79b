"""Fetches the files of images from the hostds of other hosts, over TLS with a certificate on both sides.

Used by the image part. Nothing that comes is trusted: who sends must prove to be the host of that name, and
what is sent is judged like any upload (`transfer.receive`).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from quantix_api.errors import QuantixError, TransientError
from quantix_api.message_table_phrases import ANSWERED, LACKS_IMAGE, NO_HTTP, SENDS_ANOTHER, TOO_SLOW
from quantix_api.messages import as_error
from quantix_hostd.clients.http_download import (
    Download,
    Kept,
    length_of,
    offset_of,
    paced_chunks,
    range_headers,
)
from quantix_hostd.clients.http_trouble import trouble_of
from quantix_hostd.pace import Pace
from quantix_hostd.peers import Peer, named

_CONNECT_S = 5.0
# a hostd that has just started waits 20 s for the API, and 10 s for a pool
_PACE = Pace(answer_s=40.0, least_bytes=1 << 20)
_LACKING = frozenset({404, 409})
_BUSY = 429
Trust = Callable[[], Awaitable[ssl.SSLContext]]


class PeerError(TransientError):
    """One host does not send it, or broke off; `why` in a few words."""

    why = ""


class BusyPeerError(PeerError):
    """It sends as many images as it does at once."""


class PeerSource:
    """`async with source.open(peer, "default/tiny", checksum) as download: ...`

    `trust` makes the context of a connection: whom to trust, and what to show. How many there are at once is
    the caller's to limit.
    """

    def __init__(self, trust: Trust, pace: Pace = _PACE) -> None:
        self._trust = trust
        self._pace = pace

    @asynccontextmanager
    async def open(
        self, peer: Peer, image: str, checksum: str, kept: Kept | None = None
    ) -> AsyncIterator[Download]:
        """The file of the image with this key, from a host that has it with this checksum; after what is
        `kept` of it, from whichever host that came.

        Raises PeerError (BusyPeerError), also from `chunks`, and QuantixError where there is no trust.
        """
        context = await self._trust()
        timeout = aiohttp.ClientTimeout(total=None, connect=_CONNECT_S, sock_read=60)
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
            response = await self._get(session, context, peer, image, kept)
            try:
                offset = _checked(response, peer, checksum, kept)
                yield Download(
                    length_of(response, kept if offset else None),
                    self._body(response, peer),
                    offset,
                    validator_of(checksum),
                )
            finally:
                response.close()

    async def _get(
        self,
        session: aiohttp.ClientSession,
        context: ssl.SSLContext,
        peer: Peer,
        image: str,
        kept: Kept | None,
    ) -> aiohttp.ClientResponse:
        headers = {"User-Agent": "quantix-hostd", "Accept-Encoding": "identity", **range_headers(kept)}
        try:
            url = URL.build(scheme="https", authority=peer.address, path=f"/v1/images/{image}/content")
            async with asyncio.timeout(self._pace.answer_s):
                # its name, not its address: no other host may answer there
                return await session.get(
                    url, ssl=context, server_hostname=peer.name, headers=headers, allow_redirects=False
                )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _failed(peer, trouble_of(error)) from error

    def _body(self, response: aiohttp.ClientResponse, peer: Peer) -> AsyncIterator[bytes]:
        return paced_chunks(
            response,
            self._pace,
            broken=lambda error: _failed(peer, trouble_of(error)),
            slow=lambda _: _failed(peer, TOO_SLOW),
        )


def validator_of(checksum: str) -> str:
    """How hosts name a file, as an ETag: by its content, so that one goes on where another broke off."""
    return f'"{checksum}"'


def _checked(response: aiohttp.ClientResponse, peer: Peer, checksum: str, kept: Kept | None) -> int:
    """Where in the file the body begins. Raises PeerError."""
    if response.status == _BUSY:
        raise _failed(peer, ANSWERED.format(code=_BUSY), BusyPeerError)
    if response.status in _LACKING:
        raise _failed(peer, LACKS_IMAGE)
    if response.status not in (200, 206):
        raise _failed(peer, ANSWERED.format(code=response.status))
    offset = offset_of(response, kept) if kept is not None else (0 if response.status == 200 else None)
    if offset is None or response.content_length is None:
        raise _failed(peer, NO_HTTP)
    if response.headers.get("ETag") != validator_of(checksum):
        raise _failed(peer, SENDS_ANOTHER)
    return offset


def _failed(peer: Peer, why: str, kind: type[PeerError] = PeerError) -> PeerError:
    error = as_error(kind, "ImageUnreachable", sender=named([peer.name]), why=why)
    error.why = why
    return error


def why_of(error: QuantixError) -> str:
    """What a host's failure to send something is called beside those of others."""
    return error.why if isinstance(error, PeerError) else error.message.rstrip(".")
