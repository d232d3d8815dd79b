"""Brings each Image of this host to what the API wants: receive, check, keep, and remove once it is deleted.

`main` feeds the queue (keys `namespace/name`); the API calls `receive_upload`. The file in the pool is the
truth: it is there only after every check.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from quantix_api import Image
from quantix_api.errors import PermanentError, QuantixError
from quantix_api.messages import as_error, as_wait, render
from quantix_api.quantities import size_bytes
from quantix_api.resources import IMAGES
from quantix_client.api import ApiClient
from quantix_hostd.clients.http_source import HttpSource
from quantix_hostd.clients.pool_dir import PoolDir, remove_tree
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.image.receive import (
    Expectation,
    Received,
    check_file,
    hash_file,
    read_chunks,
    receive_image,
)
from quantix_hostd.image.room import Room
from quantix_hostd.image.status import (
    ImageVerdict,
    derive_status,
    downloading,
    known_facts,
    under_way,
    verdict_kept,
    verdict_of_error,
    waiting_for_upload,
)
from quantix_hostd.image.transfers import Transfer, Transfers
from quantix_hostd.image.turns import Turns
from quantix_hostd.pools import HostPools
from quantix_hostd.report import in_words, next_look_s, report
from quantix_hostd.volume.disk_file import volumes_based_on

_PROGRESS_S = 5.0
_LOOK_AGAIN_S = 300.0
_IN_USE_S = 5.0
_COPYING_S = 1.0

log = structlog.get_logger(__name__)

Manifest = dict[str, Any]


@dataclass(frozen=True)
class ImageTools:
    """Everything the image controller acts with; `images` is the cache."""

    api: ApiClient
    images: Mapping[str, Manifest]
    pools: HostPools
    qemu_img: QemuImg
    source: HttpSource
    host: str


class ImageController:
    """One for a process. `enqueue` puts an image's key into the queue."""

    def __init__(self, tools: ImageTools, enqueue: Callable[[str], None]) -> None:
        self._tools = tools
        self._transfers = Transfers(enqueue)
        self._room = Room()
        self._turns = Turns()

    async def reconcile(self, key: str) -> float | None:
        """Bring the image nearer; seconds until the next look. What goes wrong is reported, then raised if it
        is a TransientError or InvariantError, for the backoff.
        """
        manifest = self._tools.images.get(key)
        if manifest is None:
            return None
        image = Image.model_validate(manifest)
        if image.status.host != self._tools.host:
            return None
        again_s = _LOOK_AGAIN_S
        error: QuantixError | None = None
        try:
            verdict, again_s = await self._advance(image, key)
        except (QuantixError, OSError) as trouble:
            error = in_words(trouble, f"the file of image {image.metadata.name}")
            verdict = verdict_kept(image, error)
        await report(self._tools.api, IMAGES, manifest, derive_status(image, verdict, datetime.now(UTC)))
        return next_look_s(error, again_s)

    async def receive_upload(self, key: str, chunks: AsyncIterator[bytes], length_bytes: int) -> Received:
        """Take an image that somebody sends, for an Image with `upload: {}` that waits on this host.

        Raises QuantixError: NotWaiting when there is nothing to send, else as `receive_image`.
        """
        manifest = self._tools.images.get(key)
        image = Image.model_validate(manifest) if manifest else None
        if image is None or image.deleting or image.status.host != self._tools.host:
            raise _takes_none(key, f"it is not on host {self._tools.host}")
        if image.spec.upload is None:
            raise _takes_none(key, "it is not made by upload")
        pool = await self._tools.pools.pool(image.spec.pool)
        uid = image.metadata.uid
        if await asyncio.to_thread(pool.image(uid).exists):
            raise _takes_none(key, "it was sent already")
        before = self._transfers.get(uid, pool.name)
        if before is not None and before.running:
            raise _takes_none(key, "another sends it at this moment")

        async def receive(transfer: Transfer) -> Received:
            return await self._receive(pool, image, chunks, length_bytes, transfer)

        transfer = self._transfers.begin(uid, pool.name, key, receive)
        assert transfer.task is not None
        await asyncio.wait({transfer.task})
        if transfer.received is None:
            raise transfer.error or _takes_none(key, "it was deleted meanwhile")
        return transfer.received

    async def ensure_copy(self, image: Image, pool: PoolDir) -> None:
        """Have a checked image's file in another pool of this host: copied from a pool here, else fetched
        anew.

        Returns when it is there. Raises WaitingError (ImageDownloading) while it is under way, and
        (SourceNotFound) for an image that is being deleted.
        """
        uid = image.metadata.uid
        if image.deleting:
            raise as_wait("SourceNotFound", _COPYING_S, kind="image", source=image.key)
        if await asyncio.to_thread(pool.image(uid).exists):
            return
        transfer = self._transfers.get(uid, pool.name)
        if transfer is not None and transfer.error is not None and transfer.retry_in_s() != 0:
            raise transfer.error
        if transfer is None or not transfer.running:
            source = await self._file_elsewhere(image)
            if source is None and image.spec.url is None:
                raise as_wait("ImageDownloading", _COPYING_S, image=image.metadata.name)
            transfer = self._begin_fetching(pool, image, source)
        raise as_wait("ImageDownloading", _COPYING_S, **downloading(image, self._queued_on(transfer)))

    async def stop(self) -> None:
        """Stop receiving; what is half there is removed."""
        await self._transfers.stop()

    async def _advance(self, image: Image, key: str) -> tuple[ImageVerdict, float]:
        uid = image.metadata.uid
        if image.deleting:
            await self._transfers.forget(uid)
            return await self._remove(image)
        pool = await self._tools.pools.pool(image.spec.pool)
        transfer = self._transfers.get(uid, pool.name)
        if transfer is not None and transfer.running:
            return under_way(image, transfer.shown, self._queued_on(transfer)), _PROGRESS_S
        if await asyncio.to_thread(pool.image(uid).exists):
            return await self._present(image, key, pool, transfer)
        return self._absent(image, key, pool, transfer)

    async def _present(
        self, image: Image, key: str, pool: PoolDir, transfer: Transfer | None
    ) -> tuple[ImageVerdict, float]:
        checked = known_facts(image)
        if transfer is not None and transfer.received is not None:
            checked = (transfer.received.facts, transfer.received.checksum)
        if checked is not None:
            return ImageVerdict("Verified", render("Verified").text, True, *checked), _LOOK_AGAIN_S
        if transfer is not None and transfer.error is not None:
            return verdict_of_error(transfer.error), transfer.retry_in_s() or _LOOK_AGAIN_S
        # The API lost what we said about a file that is there: say it again
        path = pool.image(image.metadata.uid)

        async def verify(_: Transfer) -> Received:
            checksum = await hash_file(path)
            facts = await check_file(path, _expectation(image), pool, self._tools.qemu_img)
            return Received(facts, checksum)

        self._transfers.begin(image.metadata.uid, pool.name, key, verify)
        return ImageVerdict("Verifying", render("Verifying").text, True), _PROGRESS_S

    def _absent(
        self, image: Image, key: str, pool: PoolDir, transfer: Transfer | None
    ) -> tuple[ImageVerdict, float]:
        if transfer is not None and transfer.error is not None:
            again_s = transfer.retry_in_s()
            if again_s is None or again_s > 0:
                return verdict_of_error(transfer.error, transfer.delay_s), again_s or _LOOK_AGAIN_S
        url = image.spec.url
        if url is None:
            if image.spec.upload is None:
                raise as_error(PermanentError, "ImageRefused", path="spec.volume")
            return waiting_for_upload(image), _LOOK_AGAIN_S

        log.info("image is being downloaded", image=key, uid=image.metadata.uid)
        begun = self._begin_fetching(pool, image, None)
        return under_way(image, begun.shown, self._queued_on(begun)), _PROGRESS_S

    def _begin_fetching(self, pool: PoolDir, image: Image, source: Path | None) -> Transfer:
        """From a file of this host, else from the image's server once it is the namespace's turn."""

        async def fetch(transfer: Transfer) -> Received:
            if source is not None:
                size = (await asyncio.to_thread(source.stat)).st_size
                return await self._receive(pool, image, read_chunks(source), size, transfer)
            return await self._download(pool, image, transfer)

        begun = self._transfers.begin(image.metadata.uid, pool.name, image.key, fetch)
        # `fetch` says so anew, but what is reported now comes before its first step
        begun.queued = source is None and self._turns.all_taken(_namespace(image))
        return begun

    async def _download(self, pool: PoolDir, image: Image, transfer: Transfer) -> Received:
        namespace = _namespace(image)
        transfer.queued = self._turns.all_taken(namespace)
        async with self._turns.turn(namespace):
            transfer.queued = False
            async with self._tools.source.open(image.spec.url or "") as found:
                return await self._receive(pool, image, found.chunks, found.length_bytes, transfer)

    def _queued_on(self, transfer: Transfer) -> str:
        return self._tools.host if transfer.queued else ""

    async def _file_elsewhere(self, image: Image) -> Path | None:
        for found in self._tools.pools.reached():
            path = self._tools.pools.directory(found).image(image.metadata.uid)
            if await asyncio.to_thread(path.is_file):
                return path
        return None

    async def _receive(
        self,
        pool: PoolDir,
        image: Image,
        chunks: AsyncIterator[bytes],
        length_bytes: int | None,
        transfer: Transfer,
    ) -> Received:
        transfer.total_bytes = length_bytes
        received = await receive_image(
            pool,
            _expectation(image),
            chunks,
            self._tools.qemu_img,
            room=self._room,
            length_bytes=length_bytes,
            on_progress=transfer.on_progress,
        )
        log.info(
            "image kept",
            image=image.key,
            uid=image.metadata.uid,
            format=str(received.facts.format),
            checksum=received.checksum,
        )
        return received

    async def _remove(self, image: Image) -> tuple[ImageVerdict, float]:
        """Remove the file from every pool of this host, unless a volume here is still based on it."""
        for found in self._tools.pools.reached():
            pool = self._tools.pools.directory(found)
            path = pool.image(image.metadata.uid)
            if not await asyncio.to_thread(path.exists):
                continue
            if users := await asyncio.to_thread(volumes_based_on, pool, image.metadata.uid):
                text = render("InUse", users=f"{len(users)} volumes of pool {pool.name}").text
                return ImageVerdict("InUse", text, True), _IN_USE_S
            await asyncio.to_thread(remove_tree, path)
            log.info("image removed", image=image.key, uid=image.metadata.uid, pool=pool.name)
        text = render("Deleting", what="its file is gone").text
        return ImageVerdict("Deleting", text, False), _LOOK_AGAIN_S


def _takes_none(key: str, why: str) -> PermanentError:
    return as_error(PermanentError, "NotWaiting", image=key, why=why)


def _namespace(image: Image) -> str:
    return image.metadata.namespace or ""


def _expectation(image: Image) -> Expectation:
    return Expectation(
        uid=image.metadata.uid,
        image_format=image.spec.format,
        # Once it was checked, every further copy must be the same file
        checksum=image.spec.checksum or image.status.checksum or "",
        max_virtual_size_bytes=size_bytes(image.spec.max_virtual_size),
    )
