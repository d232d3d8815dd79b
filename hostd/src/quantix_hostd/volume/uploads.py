"""Takes the files that people send for Volumes with `upload: {}` of this host. Each is received and judged as
an image is, and lies among the images of its pool under the Volume's UID until the Volume was made of it.

Built by `assembly`: the API calls `receive_upload`, the volume controller looks at what came. A file that is
there whole was checked; that the disk was made of it, or is to go, is the volume controller's to decide.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from quantix_api import Volume
from quantix_api.disk_image import HEAD_BYTES, LIMIT_OF_VOLUME, inspect_image
from quantix_api.errors import PermanentError
from quantix_api.image import MAX_VIRTUAL_SIZE
from quantix_api.messages import as_error
from quantix_api.quantities import size_bytes
from quantix_api.references import admits
from quantix_client.api import ApiClient
from quantix_client.reading import model_of
from quantix_hostd.clients.no_follow import opened_file
from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.facts.copies import CopyProgress
from quantix_hostd.pools import HostPools
from quantix_hostd.transfer.desk import UploadDesk
from quantix_hostd.transfer.draft import Note, read_note
from quantix_hostd.transfer.receive import Expectation
from quantix_hostd.transfer.received import Received
from quantix_hostd.transfer.receiving import Receiving, Wanted
from quantix_hostd.transfer.upload_slots import UploadSlots
from quantix_hostd.volume.observed import Arrival
from quantix_hostd.volume.recipe import Base
from quantix_hostd.volume.sent_here import SentHere
from quantix_hostd.volume.upload_plan import is_sent
from quantix_hostd.volume.wanted import wanted_bytes

_ANY_SIZE_BYTES = 1 << 63

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class UploadTools:
    """What uploads are received with; `volumes` and `namespaces` are caches."""

    api: ApiClient
    volumes: Mapping[str, Manifest]
    namespaces: Mapping[str, Manifest]
    pools: HostPools
    receiving: Receiving
    slots: UploadSlots
    host: str


class VolumeUploads:
    """One for a process. `look_again` puts a volume's key into its queue."""

    def __init__(self, tools: UploadTools, look_again: Callable[[str], None]) -> None:
        self._tools = tools
        self._desk = UploadDesk(tools.receiving, tools.slots, look_again, _takes_none)
        self._look_again = look_again
        self._sent = SentHere(tools.api, tools.volumes, tools.pools)

    async def remember(self) -> None:
        """At hostd's start: what was sent to an earlier process."""
        await self._sent.remember()

    async def tidy(self) -> None:
        """Have each volume looked at whose file lies here although it is gone, or no more of this host."""
        for key, uids in self._sent.uids().items():
            manifest = self._tools.volumes.get(key)
            volume = model_of(Volume, manifest) if manifest else None
            mine = volume is not None and volume.status.host == self._tools.host
            if volume is None or not mine or {*uids} - {volume.metadata.uid}:
                self._look_again(key)

    async def kept_of_upload(self, key: str) -> Note | None:
        """What an upload that broke off left, for a Volume that waits on this host.

        Raises QuantixError: NotWaiting when there is nothing to send.
        """
        volume, pool = await self._awaiting_upload(key)
        return await self._desk.kept(pool, _wanted(volume))

    async def receive_upload(
        self, key: str, chunks: AsyncIterator[bytes], length_bytes: int, offset_bytes: int = 0
    ) -> Received:
        """Take the file of a Volume that waits for one on this host: from its beginning, or after the bytes
        that are kept of it.

        Raises QuantixError: NotWaiting when there is nothing to send, else as `receive_image`.
        """
        volume, pool = await self._awaiting_upload(key)
        wanted = _wanted(volume)
        self._desk.check(pool, wanted)
        await self._sent.note(volume, pool.received)
        return await self._desk.take(pool, wanted, chunks, length_bytes, offset_bytes)

    async def look(self, pool: Pool, volume: Volume) -> Arrival | None:
        """What came for the volume, None for one that is not made by upload. Raises OSError, and
        PermanentError (ImageRefused) for a file that somebody has changed since it was checked.
        """
        if not is_sent(volume):
            return None
        uid = volume.metadata.uid
        transfer = self._tools.receiving.seen(uid, pool.name)
        base, note, left = await asyncio.to_thread(_on_disk, pool.received, volume)
        kept = (note.offset_bytes, note.length_bytes) if note and base is None else None
        return Arrival(base, kept, transfer, left=left or transfer is not None)

    def progress(self, volume: Volume) -> CopyProgress | None:
        """How much of its file has come, as it is shown; None while nobody sends it."""
        transfer = self._tools.receiving.seen(volume.metadata.uid, volume.status.pool or "")
        return CopyProgress(*transfer.shown) if transfer is not None and transfer.running else None

    async def end(self, pool: Pool, volume: Volume) -> None:
        """End what brings it, and keep nothing of that. Raises OSError."""
        uid = volume.metadata.uid
        await self._tools.receiving.forget(uid)
        await self._sent.remove(volume.key, uid, pool.received)

    def sent_for(self, key: str) -> frozenset[str]:
        """The UIDs of the volumes of this key for which something is here."""
        return frozenset(self._sent.uids().get(key, ()))

    async def forget(self, key: str, uids: Collection[str]) -> None:
        """The same for volumes that had this key, and were not deleted as far as this host has heard. What
        cannot be removed now `tidy` finds again.
        """
        for uid in uids:
            await self._tools.receiving.forget(uid)
            await self._sent.put_away(key, uid)

    async def stop(self) -> None:
        """Stop receiving; of what is half there, only what can be gone on with is kept."""
        await self._tools.receiving.stop()

    async def _awaiting_upload(self, key: str) -> tuple[Volume, Pool]:
        """The Volume, and the pool that it is made in. Raises QuantixError (NotWaiting, PoolNotFound)."""
        manifest = self._tools.volumes.get(key)
        volume = model_of(Volume, manifest) if manifest else None
        if volume is None or volume.deleting or volume.status.host != self._tools.host:
            raise _takes_none(key, f"it is not on host {self._tools.host}")
        if not is_sent(volume):
            raise _takes_none(key, "it is not made by upload")
        if volume.status.data == "Present":
            raise _takes_none(key, "it has its data")
        pool = await self._pool(volume)
        uid = volume.metadata.uid
        handle = volume.status.handle or uid
        if await asyncio.to_thread(lambda: pool.received.has_image(uid) or pool.has_any_of(handle)):
            raise _takes_none(key, "it was sent already")
        return volume, pool

    async def _pool(self, volume: Volume) -> Pool:
        """As for all that makes data: judged again whether its namespace may use it."""
        found = self._tools.pools.find(volume.status.pool or volume.spec.pool)
        if not admits(
            found.spec.allowed_namespaces, self._tools.namespaces.get(volume.metadata.namespace or "")
        ):
            raise as_error(PermanentError, "PoolNotFound", pool=found.metadata.name, path="spec.pool")
        return await self._tools.pools.pool(found.metadata.name)


def _wanted(volume: Volume) -> Wanted:
    """What its file must be: no larger a disk than the volume is to have."""
    source = volume.spec.source
    assert source is not None
    assert source.upload is not None
    return Wanted(
        volume.key,
        Expectation(
            uid=volume.metadata.uid,
            image_format=source.upload.format,
            checksum="",
            max_virtual_size_bytes=wanted_bytes(volume) or size_bytes(MAX_VIRTUAL_SIZE),
            limit=LIMIT_OF_VOLUME,
            what="this disk",
        ),
    )


def _on_disk(pool: PoolDir, volume: Volume) -> tuple[Base | None, Note | None, bool]:
    """The file once it is there whole, what is kept of a broken transfer, and whether anything is there."""
    uid, note = volume.metadata.uid, read_note(pool, volume.metadata.uid)
    left = pool.image_draft(uid).exists() or pool.image_note(uid).exists()
    if not pool.image(uid).exists():
        return None, note, left
    if volume.deleting or volume.status.data == "Present":
        return None, None, True
    with opened_file(pool.path, "images", uid) as file:
        head, length = file.read(HEAD_BYTES), os.fstat(file.fileno()).st_size
    facts = inspect_image(head, length, _wanted(volume).expectation.image_format, _ANY_SIZE_BYTES)
    return Base(uid, facts.format.driver, facts.virtual_size_bytes), None, True


def _takes_none(key: str, why: str) -> PermanentError:
    return as_error(PermanentError, "NotWaiting", volume=key.rpartition("/")[2], why=why)
