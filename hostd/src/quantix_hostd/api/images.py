"""Images over hostd's API: reading the content of one, as other hosts do that need a copy."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from quantix_api.errors import QuantixError, TransientError
from quantix_api.messages import as_error
from quantix_api.resources import IMAGES
from quantix_client.errors import NotFound
from quantix_client.reflector import split_key
from quantix_hostd.api.backend import Backend, Manifest
from quantix_hostd.api.guard import Guard, access_to
from quantix_hostd.api.sending import SentFile, send
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.transfer.slots import Slots
from quantix_hostd.transfer.turns import Limits

# few, so that each soon serves others itself
_READERS = Limits(at_once=4, of_namespace=2)
_STATUS = {
    "NotHere": 404,
    "NoOrphan": 404,
    "NotWaiting": 409,
    "NoScreen": 409,
    "TooManyUploads": 429,
    "TooManyReaders": 429,
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

        def refused(user: str) -> TransientError:
            return as_error(TransientError, "TooManyReaders", host=backend.host, user=user)

        self._readers = Slots(_READERS, refused)

    def routes(self) -> list[web.RouteDef]:
        base = "/v1/images/{namespace}/{name}"
        return [
            web.get(f"{base}/content", self.content),
        ]

    async def content(self, request: web.Request) -> web.StreamResponse:
        """The file as it was received, or with Range a part of it; its ETag is the checksum."""
        key, user = await self._admit(request, "get", "content")
        image = await self._image(key)
        uid = str(image["metadata"]["uid"])
        with self._readers.slot(user):
            pool = await self._find(uid)
            if pool is None:
                raise web.HTTPConflict(text=f"Image {key} has no content here yet.")
            etag = f'"{(image.get("status") or {}).get("checksum") or uid}"'
            sent = SentFile(pool, uid, etag, partial(self._backend.pools.ask, pool))
            try:
                return await send(request, sent, self._backend.upload_pace)
            except FileNotFoundError as gone:
                raise web.HTTPConflict(text=f"Image {key} has no content here any more.") from gone

    async def _image(self, key: str) -> Manifest:
        """Also one of which this host has only a copy. Raises PermanentError (NotHere), ApiError."""
        known = self._backend.stores[IMAGES].get(key)
        if known is not None:
            return known
        namespace, name = split_key(key)
        try:
            return await self._backend.api.get(IMAGES, name, namespace)
        except NotFound:
            return self._backend.image(key)

    async def _find(self, uid: str) -> PoolDir | None:
        """The pool with the file of an image, None where no pool has it. Raises TransientError
        (PoolUnreachable) where one that may have it does not answer.
        """
        pools, silent = self._backend.pools, None
        for pool in pools.reached():
            directory = pools.directory(pool)
            try:
                if await pools.ask(directory, partial(_is_image, directory.image(uid))):
                    return directory
            except TransientError as error:
                silent = error
        if silent is not None:
            raise silent
        return None

    async def _admit(self, request: web.Request, verb: str, subresource: str) -> tuple[str, str]:
        """The image's key, and who asks for it."""
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
        return f"{namespace}/{name}", identity.name


def _is_image(path: Path) -> bool:
    return not path.is_symlink() and path.is_file()


def status_of(error: QuantixError) -> int:
    """The HTTP status that tells a caller what to do with this error."""
    return _STATUS.get(error.reason, 503 if isinstance(error, TransientError) else 422)
