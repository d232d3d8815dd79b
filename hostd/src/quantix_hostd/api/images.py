"""Images over hostd's API: reading the content of one (for other hosts)."""

from __future__ import annotations

from functools import partial
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
        path = await self._find(str(self._backend.image(key)["metadata"]["uid"]))
        if path is None:
            raise web.HTTPConflict(text=f"Image {key} has no content here yet.")
        return web.FileResponse(path, chunk_size=_CHUNK_BYTES)

    async def _find(self, uid: str) -> Path | None:
        """The file of an image, None where no pool has it. Raises TransientError (PoolUnreachable) where one
        that may have it does not answer.
        """
        pools, silent = self._backend.pools, None
        for directory in pools.directories():
            try:
                if await pools.ask(directory, partial(_is_image, directory.image(uid))):
                    return directory.image(uid)
            except TransientError as error:
                silent = error
        if silent is not None:
            raise silent
        return None

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


def _is_image(path: Path) -> bool:
    return not path.is_symlink() and path.is_file()


def status_of(error: QuantixError) -> int:
    """The HTTP status that tells a caller what to do with this error."""
    return _STATUS.get(error.reason, 503 if isinstance(error, TransientError) else 422)
