"""Images over hostd's API: sending one, and reading its content (for other hosts)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import structlog
from aiohttp import ClientPayloadError, web

from quantix_api.errors import QuantixError, TransientError
from quantix_api.messages import as_error
from quantix_client.clock import SystemClock
from quantix_hostd.api.backend import Backend
from quantix_hostd.api.guard import Guard, access_to
from quantix_hostd.pace import Pace, PaceKeeper

_CHUNK_BYTES = 1 << 20
_REST = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_STATUS = {
    "NotHere": 404,
    "NoOrphan": 404,
    "NotWaiting": 409,
    "PoolFull": 507,
    "PoolNotFound": 409,
    "PoolUnreachable": 503,
}

log = structlog.get_logger(__name__)


class ImageDoors:
    """Handlers below /v1/images."""

    def __init__(self, backend: Backend, guard: Guard) -> None:
        self._backend = backend
        self._guard = guard

    def routes(self) -> list[web.RouteDef]:
        base = "/v1/images/{namespace}/{name}"
        return [
            web.get(f"{base}/upload", self.kept),
            web.put(f"{base}/upload", self.upload),
            web.get(f"{base}/content", self.content),
        ]

    async def kept(self, request: web.Request) -> web.Response:
        """How much is kept of an upload that broke off, and its checksum: who has the same may go on."""
        key = await self._admit(request, "create", "upload")
        self._backend.image(key)
        note = await self._backend.uploads.kept_of_upload(key)
        if note is None:
            return web.json_response({"offsetBytes": 0})
        told = {"offsetBytes": note.offset_bytes, "lengthBytes": note.length_bytes, "checksum": note.checksum}
        return web.json_response(told)

    async def upload(self, request: web.Request) -> web.Response:
        """The body is the file, or with Content-Range the rest of it; Content-Length is required. Answers
        with the checksum that was found of the whole.
        """
        key = await self._admit(request, "create", "upload")
        length = request.content_length
        if length is None:
            raise web.HTTPLengthRequired(text="Content-Length is required.")
        self._backend.image(key)
        offset = _offset(request, length)
        chunks = _body(request, self._backend.upload_pace)
        received = await self._backend.uploads.receive_upload(key, chunks, offset + length, offset)
        facts = received.facts
        return web.json_response(
            {
                "checksum": received.checksum,
                "format": str(facts.format),
                "virtualSizeBytes": facts.virtual_size_bytes,
            }
        )

    async def content(self, request: web.Request) -> web.StreamResponse:
        """The file as it was received."""
        key = await self._admit(request, "get", "content")
        uid = str(self._backend.image(key)["metadata"]["uid"])
        for pool in self._backend.pools.reached():
            path: Path = self._backend.pools.directory(pool).image(uid)
            if not path.is_symlink() and await asyncio.to_thread(path.is_file):
                return web.FileResponse(path, chunk_size=_CHUNK_BYTES)
        raise web.HTTPConflict(text=f"Image {key} has no content here yet.")

    async def _admit(self, request: web.Request, verb: str, subresource: str) -> str:
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        identity = await self._guard.admit(request, access_to(verb, "images", subresource, namespace, name))
        log.info(
            "door opened",
            audit=True,
            door=f"images/{subresource}",
            namespace=namespace,
            name=name,
            user=identity.name,
        )
        return f"{namespace}/{name}"


def status_of(error: QuantixError) -> int:
    """The HTTP status that tells a caller what to do with this error."""
    return _STATUS.get(error.reason, 503 if isinstance(error, TransientError) else 422)


def _offset(request: web.Request, length_bytes: int) -> int:
    """Where the body begins in the file. Raises HTTPBadRequest for a range that is not the file's rest."""
    told = request.headers.get("Content-Range")
    if told is None:
        return 0
    found = _REST.fullmatch(told)
    first, last, whole = map(int, found.groups()) if found else (0, 0, 0)
    if not found or last != whole - 1 or last - first + 1 != length_bytes:
        raise web.HTTPBadRequest(text="Content-Range is bytes FIRST-LAST/WHOLE, up to the end of the file.")
    return first


async def _body(request: web.Request, pace: Pace) -> AsyncIterator[bytes]:
    keeper = PaceKeeper(pace, request.content_length)
    pieces = request.content.iter_chunked(_CHUNK_BYTES)
    clock = SystemClock()
    while True:
        asked_at_s = clock.monotonic()
        try:
            async with asyncio.timeout(pace.window_s):
                chunk = await anext(pieces, None)
        except TimeoutError as silence:
            raise as_error(TransientError, "ImageUnreachable", **pace.words) from silence
        except (ClientPayloadError, OSError) as error:
            raise as_error(TransientError, "ImageUnreachable") from error
        if chunk is None:
            return
        if slow := keeper.slowness(clock.monotonic() - asked_at_s, len(chunk)):
            raise as_error(TransientError, "ImageUnreachable", **slow)
        yield chunk
