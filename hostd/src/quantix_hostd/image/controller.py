"""Brings each Image of this host to what the API wants: receive, check, keep, and remove once it is deleted.

`assembly` feeds the queue (keys `namespace/name`); the API calls `receive_upload`, the volume controller
`ensure_copy`. Each look observes, plans (`plan`) and applies until nothing is left to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, assert_never

import structlog

from quantix_api import Image
from quantix_api.errors import PermanentError, QuantixError, TransientError
from quantix_api.messages import as_error, as_wait
from quantix_api.resources import IMAGES
from quantix_client.api import ApiClient
from quantix_client.errors import ApiError
from quantix_client.reading import model_of
from quantix_hostd.clients.http_source import HttpSource
from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.pool_dir import remove_tree
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.endless import endless
from quantix_hostd.events import Events, tell
from quantix_hostd.facts.copies import CopyProgress
from quantix_hostd.image import plan
from quantix_hostd.image.fetching import OtherHosts
from quantix_hostd.image.intake import Intake
from quantix_hostd.image.kept_copies import KeptCopies
from quantix_hostd.image.observed import Copy, ImageObserved
from quantix_hostd.image.plan import ImagePlan, plan_image
from quantix_hostd.image.status import derive_status, downloading, known_facts, lost_file, verdict_kept
from quantix_hostd.image.wanted import wanted_of
from quantix_hostd.pools import HostPools, Scan
from quantix_hostd.report import in_words, next_look_s, report
from quantix_hostd.told import image_event
from quantix_hostd.transfer.desk import UploadDesk
from quantix_hostd.transfer.draft import Note, discard, read_note
from quantix_hostd.transfer.received import Received
from quantix_hostd.transfer.receiving import Keep, Receiving
from quantix_hostd.transfer.room import Room
from quantix_hostd.transfer.upload_slots import UploadSlots

_MAX_ROUNDS = 4
_COPYING_S = 1.0

log = structlog.get_logger(__name__)

Manifest = dict[str, Any]


@dataclass(frozen=True)
class ImageTools:
    """Everything the image controller acts with; `images` is the cache. `volumes_based_on` tells the volumes
    in a pool that are based on the image with a UID, and blocks. `hosts` are the others; `keep` takes a file
    that was received for a pool in Ceph there.
    """

    api: ApiClient
    images: Mapping[str, Manifest]
    pools: HostPools
    qemu_img: QemuImg
    source: HttpSource
    hosts: OtherHosts
    room: Room
    slots: UploadSlots
    volumes_based_on: Callable[[Pool, str], list[Path]]
    events: Events
    host: str
    keep: Keep | None = None


class ImageController:
    """One for a process. `enqueue` puts an image's key into the queue."""

    def __init__(self, tools: ImageTools, enqueue: Callable[[str], None]) -> None:
        self._tools = tools
        self._enqueue = enqueue
        receiving = Receiving("image", tools.qemu_img, tools.room, enqueue, tools.keep)
        self._intake = Intake(tools.source, tools.qemu_img, receiving, tools.hosts)
        self._kept = KeptCopies(
            tools.hosts.holders.api, tools.pools, tools.volumes_based_on, self._intake.forget
        )
        self._desk = UploadDesk(receiving, tools.slots, enqueue, _takes_none)

    async def reconcile(self, key: str) -> float | None:
        """Bring the image nearer; seconds until the next look. What goes wrong is reported, then raised if it
        is a TransientError or InvariantError, for the backoff.
        """
        manifest = self._tools.images.get(key)
        if manifest is None:
            return None
        image = model_of(Image, manifest)
        if image.status.host != self._tools.host:
            return None
        again_s = plan.LOOK_AGAIN_S
        error: QuantixError | None = None
        try:
            found = await self._settle(image)
            verdict, again_s = found.verdict, found.again_s
        except (QuantixError, OSError) as trouble:
            error = in_words(trouble, f"the file of image {image.metadata.name}")
            verdict = verdict_kept(image, error)
        status = derive_status(image, verdict, datetime.now(UTC))
        told = image_event(manifest, status)
        written = await report(self._tools.api, IMAGES, manifest, status)
        if written is not None and told is not None:
            tell(self._tools.events, IMAGES, manifest, told)
        return next_look_s(error, again_s)

    async def everywhere(self) -> tuple[Manifest, ...]:
        """Also those that other hosts keep: a copy of one that broke off is gone on with."""
        try:
            return tuple((await self._tools.api.list(IMAGES)).items)
        except ApiError as error:
            log.warning("images not listed", reason=error.reason, error=str(error))
            return tuple(self._tools.images.values())

    async def kept_of_upload(self, key: str) -> Note | None:
        """What an upload that broke off left, for an Image that waits on this host.

        Raises QuantixError: NotWaiting when there is nothing to send.
        """
        image, pool = await self._awaiting_upload(key)
        return await self._desk.kept(pool, wanted_of(image))

    async def receive_upload(
        self, key: str, chunks: AsyncIterator[bytes], length_bytes: int, offset_bytes: int = 0
    ) -> Received:
        """Take an image that somebody sends, for an Image with `upload: {}` that waits on this host: from its
        beginning, or after the bytes that are kept of it.

        Raises QuantixError: NotWaiting when there is nothing to send, else as `receive_image`.
        """
        image, pool = await self._awaiting_upload(key)
        return await self._desk.take(pool, wanted_of(image), chunks, length_bytes, offset_bytes)

    async def _awaiting_upload(self, key: str) -> tuple[Image, Pool]:
        """The Image, and the pool that it goes into. Raises PermanentError (NotWaiting)."""
        manifest = self._tools.images.get(key)
        image = model_of(Image, manifest) if manifest else None
        if image is None or image.deleting or image.status.host != self._tools.host:
            raise _takes_none(key, f"it is not on host {self._tools.host}")
        if image.spec.upload is None:
            raise _takes_none(key, "it is not made by upload")
        pool = await self._tools.pools.pool(image.spec.pool)
        uid = image.metadata.uid
        if await asyncio.to_thread(lambda: pool.has_image(uid) or pool.received.has_image(uid)):
            raise _takes_none(key, "it was sent already")
        return image, pool

    async def ensure_copy(self, image: Image, pool: Pool) -> None:
        """Have a checked image's file in another pool than its own: copied from a pool here, else fetched
        from a host that has it, else anew.

        Returns when it is there. Raises WaitingError: ImageDownloading while it is under way,
        WaitingForUpload when only who sent it has it, SourceNotFound for an image that is being deleted; and
        TransientError (PoolUnreachable) where a pool hangs without whose answer nothing can be begun.
        """
        uid = image.metadata.uid
        if image.deleting:
            raise as_wait("SourceNotFound", _COPYING_S, kind="image", source=image.key)
        if await self._tools.pools.ask(pool, partial(pool.has_image, uid)):
            return
        source = await self._file(image, pool)
        if self._intake.seen(uid, pool.name) is None:
            await self._kept.note(image, pool)
        # nothing is awaited from here on: two volumes that want the same copy begin it once
        seen = self._intake.seen(uid, pool.name)
        if seen is not None and not seen.running and seen.error is not None and seen.retry_in_s != 0:
            raise seen.error
        begun = self._intake.copy(pool, image, source) if source else self._intake.download(pool, image)
        raise as_wait("ImageDownloading", _COPYING_S, **downloading(image, begun.seen(), self._tools.host))

    def progress(self, image: Image) -> CopyProgress | None:
        """How far its copy into a pool of this host has come; None while none is made."""
        done, total = self._intake.shown(image.metadata.uid)
        return CopyProgress(done, total) if done else None

    async def tidy(self) -> None:
        """Remove the copies of images that another host kept, and that are deleted. Raises ApiError."""
        await self._kept.tidy()

    async def stop(self) -> None:
        """Stop receiving; of what is half there, only what can be gone on with is kept."""
        await self._intake.stop()

    async def _settle(self, image: Image) -> ImagePlan:
        """Act until nothing is left to do. Raises InvariantError when there always is something left."""
        for _ in range(_MAX_ROUNDS):
            found = plan_image(await self._observe(image))
            if not found.actions:
                return found
            for action in found.actions:
                await self._apply(image, action)
        raise endless(found.actions)

    async def _observe(self, image: Image) -> ImageObserved:
        uid, host = image.metadata.uid, self._tools.host
        if image.deleting:
            arriving = self._intake.arriving(uid) or await self._left_of(uid)
            return ImageObserved(image, host, copies=await self._copies(uid), arriving=arriving)
        pool = await self._tools.pools.pool(image.spec.pool)
        there = await asyncio.to_thread(pool.has_image, uid)
        received = not there and await asyncio.to_thread(pool.received.has_image, uid)
        note = None if there else await asyncio.to_thread(read_note, pool.received, uid)
        kept = (note.offset_bytes, note.length_bytes) if note else None
        lost = not there and image.spec.url is None and known_facts(image) is not None
        return ImageObserved(
            image,
            host,
            pool.name,
            there,
            received,
            self._intake.seen(uid, pool.name),
            kept,
            elsewhere=lost and bool(await self._tools.hosts.holders.of(image)),
        )

    async def _left_of(self, uid: str) -> bool:
        """Whether a broken transfer left anything, in any pool."""
        for pool in (pool.received for pool in self._tools.pools.at_hand()):
            if await self._tools.pools.ask(pool, pool.image_draft(uid).exists):
                return True
        return False

    async def _copies(self, uid: str) -> tuple[Copy, ...]:
        found = []
        for pool in self._tools.pools.at_hand():
            if await self._tools.pools.ask(pool, partial(_lies_in, pool, uid)):
                based_on = partial(self._tools.volumes_based_on, pool, uid)
                users = await self._tools.pools.scan(pool, Scan.BASED_ON_IMAGE, based_on)
                found.append(Copy(pool.name, len(users)))
        return tuple(found)

    async def _apply(self, image: Image, action: plan.Action) -> None:
        uid = image.metadata.uid
        match action:
            case plan.Download():
                self._intake.download(await self._tools.pools.pool(image.spec.pool), image)
            case plan.Verify():
                self._intake.verify(await self._tools.pools.pool(image.spec.pool), image)
            case plan.StopTransfers():
                await self._intake.forget(uid)
                for pool in self._tools.pools.at_hand():
                    await asyncio.to_thread(discard, pool.received, uid)
            case plan.RemoveFile():
                pool = await self._tools.pools.pool(action.pool)
                if isinstance(pool, PoolRbd):
                    await asyncio.to_thread(pool.remove_image, uid)
                await asyncio.to_thread(remove_tree, pool.received.image(uid))
                log.info("image removed", image=image.key, uid=uid, pool=action.pool)
            case _:
                assert_never(action)

    async def _file(self, image: Image, wanted_in: Pool) -> Path | None:
        """Where its file lies on this host: in the pool that wants it, or else in another.

        Raises TransientError or OSError where the pool that wants it hangs or is broken, or another is and
        nobody else can bring it; and WaitingForUpload where nobody can at all.
        """
        own, others = wanted_in.received, self._tools.pools.directories()
        silent: TransientError | OSError | None = None
        for pool in (own, *(other for other in others if other.path != own.path)):
            path = pool.image(image.metadata.uid)
            try:
                if await self._tools.pools.ask(pool, path.is_file):
                    return path
            except (TransientError, OSError) as error:
                if pool is own:
                    raise
                log.warning("image not looked for", image=image.key, pool=pool.name, error=str(error))
                silent = error
        if image.spec.url is None and not await self._tools.hosts.holders.of(image):
            # the image's own Ready says it soon
            self._enqueue(image.key)
            raise silent or as_wait("WaitingForUpload", _COPYING_S, **lost_file(image))
        return None


def _lies_in(pool: Pool, uid: str) -> bool:
    return pool.has_image(uid) or pool.received.has_image(uid)


def _takes_none(key: str, why: str) -> PermanentError:
    return as_error(PermanentError, "NotWaiting", image=key, why=why)
