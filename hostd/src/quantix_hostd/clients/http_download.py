"""Files that come over HTTP: what is kept of one that broke off, and its body at the sender's pace.

Used by `http_source`, for servers, and by `peer_source`, for other hosts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import aiohttp

from quantix_api.errors import QuantixError
from quantix_client.clock import SystemClock
from quantix_hostd.pace import Pace, PaceKeeper

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Kept:
    """What an earlier answer left: so many bytes of the file that `validator` names (RFC 9110, 13.1.5)."""

    offset_bytes: int
    length_bytes: int
    validator: str


@dataclass(frozen=True)
class Download:
    """An open answer: the file's whole length if the server told, where the body begins in it, and the body
    piece by piece. `validator` "" : it cannot be gone on with.
    """

    length_bytes: int | None
    chunks: AsyncIterator[bytes]
    offset_bytes: int = 0
    validator: str = ""


def range_headers(kept: Kept | None) -> dict[str, str]:
    """Those that ask for what follows what is kept."""
    return {} if kept is None else {"Range": f"bytes={kept.offset_bytes}-", "If-Range": kept.validator}


def offset_of(response: aiohttp.ClientResponse, kept: Kept) -> int | None:
    """Where the body begins in the file; None when it is of no use."""
    if response.status == 200:
        return 0
    wanted = f"bytes {kept.offset_bytes}-{kept.length_bytes - 1}/{kept.length_bytes}"
    told = response.headers.get("Content-Range", "")
    return kept.offset_bytes if response.status == 206 and told == wanted else None


def length_of(response: aiohttp.ClientResponse, kept: Kept | None) -> int | None:
    """Of the whole file, None where the server does not say; `kept`: what the body follows."""
    return response.content_length if kept is None else kept.length_bytes


async def paced_chunks(
    response: aiohttp.ClientResponse,
    pace: Pace,
    *,
    broken: Callable[[BaseException], QuantixError],
    slow: Callable[[Mapping[str, str]], QuantixError],
) -> AsyncIterator[bytes]:
    """The body, piece by piece. Raises what `broken` makes of a connection that ends, and `slow` of the words
    in which the pace says what is too slow.
    """
    keeper = PaceKeeper(pace, response.content_length)
    pieces = response.content.iter_chunked(_CHUNK_BYTES)
    clock = SystemClock()
    while True:
        asked_at_s = clock.monotonic()
        try:
            chunk = await anext(pieces, None)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise broken(error) from error
        if chunk is None:
            return
        if words := keeper.slowness(clock.monotonic() - asked_at_s, len(chunk)):
            raise slow(words)
        yield chunk
