"""Files that somebody sends over hostd's API: of images and of volumes, in one way."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import structlog
from aiohttp import ClientPayloadError, web

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_api.resources import Resource
from quantix_client.clock import SystemClock
from quantix_hostd.api.backend import Backend, Uploads
from quantix_hostd.api.guard import Guard, access_to
from quantix_hostd.pace import Pace, PaceKeeper

_CHUNK_BYTES = 1 << 20
_REST = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")

log = structlog.get_logger(__name__)


class UploadDoors:
    """Handlers of `/v1/KIND/NAMESPACE/NAME/upload`; `uploads` takes what is sent for objects of the kind."""

    def __init__(self, backend: Backend, guard: Guard, resource: Resource, uploads: Uploads) -> None:
        self._backend = backend
        self._guard = guard
        self._resource = resource
        self._uploads = uploads

    def routes(self) -> list[web.RouteDef]:
        path = f"/v1/{self._resource.plural}/{{namespace}}/{{name}}/upload"
        return [web.get(path, self.kept), web.put(path, self.upload)]

    async def kept(self, request: web.Request) -> web.Response:
        """How much is kept of an upload that broke off, and its checksum: who has the same may go on."""
        key = await self._admit(request)
        note = await self._uploads.kept_of_upload(key)
        if note is None:
            return web.json_response({"offsetBytes": 0})
        told = {"offsetBytes": note.offset_bytes, "lengthBytes": note.length_bytes, "checksum": note.checksum}
        return web.json_response(told)

    async def upload(self, request: web.Request) -> web.Response:
        """The body is the file as it is, or with Content-Range the rest of it; Content-Length is required.
        Answers with the checksum that was found of the whole.
        """
        key = await self._admit(request)
        if "Content-Encoding" in request.headers:
            # what comes of it may be a thousand times as long as what it was announced with
            raise web.HTTPUnsupportedMediaType(text="Content-Encoding is not taken: send the file as it is.")
        length = request.content_length
        if length is None:
            raise web.HTTPLengthRequired(text="Content-Length is required.")
        offset = _offset(request, length)
        chunks = _body(request, self._backend.upload_pace)
        received = await self._uploads.receive_upload(key, chunks, offset + length, offset)
        facts = received.facts
        return web.json_response(
            {
                "checksum": received.checksum,
                "format": str(facts.format),
                "virtualSizeBytes": facts.virtual_size_bytes,
            }
        )

    async def _admit(self, request: web.Request) -> str:
        """The object's key. Raises PermanentError (NotHere), and what the guard does."""
        namespace, name, kind = (
            request.match_info["namespace"],
            request.match_info["name"],
            self._resource.plural,
        )
        identity = await self._guard.admit(request, access_to("create", kind, "upload", namespace, name))
        log.info(
            "door opened",
            audit=True,
            door=f"{kind}/upload",
            namespace=namespace,
            name=name,
            user=identity.name,
        )
        key = f"{namespace}/{name}"
        self._backend.found(self._resource, key)
        return key


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
