"""Sends a file of a pool as the answer to a request: all of it, or the rest that is asked for (RFC 9110, 14).

Used by `images`. A pool that falls silent, and a reader that takes nothing for long, end the connection, so
that neither holds a thread or a slot for ever; the reader sees it broken and may go on elsewhere.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from typing import Any

import structlog
from aiohttp import web

from quantix_api.errors import QuantixError
from quantix_client.clock import SystemClock
from quantix_hostd.clients.no_follow import opened_file
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.pace import Pace, PaceKeeper

_CHUNK_BYTES = 1 << 20

log = structlog.get_logger(__name__)

Ask = Callable[[Callable[[], Any]], Awaitable[Any]]


@dataclass(frozen=True)
class SentFile:
    """The file `name` among the images of a pool. `etag` names its content; `ask` calls something that
    touches the pool, in a thread.
    """

    pool: PoolDir
    name: str
    etag: str
    ask: Ask


async def send(request: web.Request, sent: SentFile, pace: Pace) -> web.StreamResponse:
    """Answer with the file. Raises FileNotFoundError, QuantixError, and HTTPRequestRangeNotSatisfiable."""
    with ExitStack() as stack:
        opened = partial(stack.enter_context, opened_file(sent.pool.path, "images", sent.name))
        file: BufferedReader = await sent.ask(opened)
        # closing, too, lasts as long as its pool hangs
        closing = stack.pop_all()
    try:
        size = os.fstat(file.fileno()).st_size
        first, end = _range(request, size, sent.etag)
        response = web.StreamResponse(status=200 if (first, end) == (0, size) else 206)
        response.content_length = end - first
        response.headers.update({"ETag": sent.etag, "Accept-Ranges": "bytes", "Cache-Control": "no-store"})
        response.content_type = "application/octet-stream"
        if response.status == 206:
            response.headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
        await response.prepare(request)
        if request.method != "HEAD":
            await _stream(request, response, sent, file, (first, end), pace)
        return response
    finally:
        await asyncio.shield(asyncio.to_thread(closing.close))


def _range(request: web.Request, size: int, etag: str) -> tuple[int, int]:
    """First byte, and the one after the last. Another file than the one that is asked for is sent whole."""
    if request.headers.get("If-Range", etag) != etag:
        return 0, size
    try:
        first, end, _ = request.http_range.indices(size)
    except ValueError:
        first, end = size, size
    if first >= end and size and "Range" in request.headers:
        raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})
    return first, end


async def _stream(
    request: web.Request,
    response: web.StreamResponse,
    sent: SentFile,
    file: BufferedReader,
    part: tuple[int, int],
    pace: Pace,
) -> None:
    position, end = part
    keeper, clock = PaceKeeper(pace, end - position), SystemClock()
    try:
        while position < end:
            length = min(_CHUNK_BYTES, end - position)
            chunk = await sent.ask(partial(os.pread, file.fileno(), length, position))
            if not chunk:
                # somebody cut it off: the reader is owed more
                raise EOFError
            began_s = clock.monotonic()
            async with asyncio.timeout(pace.window_s):
                await response.write(chunk)
            position += len(chunk)
            if keeper.slowness(clock.monotonic() - began_s, len(chunk)):
                raise TimeoutError
        await response.write_eof()
    except (QuantixError, OSError, EOFError) as error:
        # the head is sent: nothing else can be said any more
        log.warning("file not sent whole", file=sent.name, sent=position - part[0], error=repr(error))
        if request.transport is not None:
            request.transport.abort()
