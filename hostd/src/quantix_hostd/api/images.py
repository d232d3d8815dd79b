"""Images over hostd's API: reading the content of one (for other hosts)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog
from aiohttp import web

from quantix_api.errors import QuantixError, TransientError
from quantix_hostd.api.backend import Backend
from quantix_hostd.api.guard import Guard, access_to

_CHUNK_BYTES = 1 << 20
_STATUS = {
    "NotHere": 404,
    "NoOrphan": 404,
    "NotWaiting": 409,
    "NoScreen": 409,
    "TooManyUploads": 429,
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
            web.get(f"{base}/content", self.content),
        ]

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
