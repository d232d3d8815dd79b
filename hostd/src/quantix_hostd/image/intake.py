"""Brings images into the pools of this host, in the background, and checks what lies there.

They come from a server, from another pool, or from somebody who sends them. Owned by the image controller,
which decides what is begun. What is begun again while it runs goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from quantix_api import Image
from quantix_api.disk_image import ImageFacts, ImageFormat
from quantix_api.errors import PermanentError
from quantix_api.messages import as_error
from quantix_api.quantities import size_bytes
from quantix_hostd.clients.http_source import HttpSource, Kept
from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.transfer.draft import read_note
from quantix_hostd.transfer.receive import (
    Expectation,
    Incoming,
    check_file,
    hash_file,
    read_chunks,
)
from quantix_hostd.transfer.received import Received
from quantix_hostd.transfer.receiving import Receiving, Wanted
from quantix_hostd.transfer.seen import TransferSeen
from quantix_hostd.transfer.transfers import Transfer
from quantix_hostd.transfer.turns import Limits, Turns

_DOWNLOADS = Limits(at_once=16, of_namespace=4)


class Intake:
    """One for a process. `receiving` does the work; `source` asks servers."""

    def __init__(self, source: HttpSource, qemu_img: QemuImg, receiving: Receiving) -> None:
        self._source = source
        self._qemu_img = qemu_img
        self._receiving = receiving
        self._turns = Turns(_DOWNLOADS)

    def seen(self, uid: str, pool: str) -> TransferSeen[Received] | None:
        """The transfer of this image into this pool as it is now, None when there was none."""
        return self._receiving.seen(uid, pool)

    def arriving(self, uid: str) -> bool:
        """Whether this image is on its way into any pool, or it is remembered how that went."""
        return self._receiving.arriving(uid)

    def download(self, pool: Pool, image: Image) -> Transfer[Received]:
        """From the image's server, once it is the namespace's turn; after what is kept of a broken one."""

        async def fetch(transfer: Transfer[Received]) -> Received:
            namespace = image.metadata.namespace or ""
            transfer.queued = self._turns.all_taken(namespace)
            async with self._turns.turn(namespace):
                transfer.queued = False
                try:
                    return await self._fetch(pool, image, transfer)
                except PermanentError as error:
                    if error.reason != "ChecksumMismatch" or not transfer.resumed:
                        raise
                # put together of two that differ, whatever the server said: all of it, once
                return await self._fetch(pool, image, transfer)

        # `fetch` says so anew, but what is reported now comes before its first step
        queued = self._turns.all_taken(image.metadata.namespace or "")
        return self._receiving.begin(pool, wanted_of(image), fetch, queued=queued)

    def copy(self, pool: Pool, image: Image, source: Path) -> Transfer[Received]:
        """From a file of this host."""

        async def fetch(transfer: Transfer[Received]) -> Received:
            size = (await asyncio.to_thread(source.stat)).st_size
            return await self._receiving.receive(
                pool, wanted_of(image), Incoming(read_chunks(source), size), transfer
            )

        return self._receiving.begin(pool, wanted_of(image), fetch)

    def verify(self, pool: Pool, image: Image) -> Transfer[Received]:
        """Check the file that lies in the pool, or that was received for it."""
        uid, wanted = image.metadata.uid, wanted_of(image)

        async def check(_: Transfer[Received]) -> Received:
            if isinstance(pool, PoolRbd) and await asyncio.to_thread(pool.has_image, uid):
                return _as_received(await asyncio.to_thread(pool.received_as, uid), wanted)
            path = pool.received.image(uid)
            checksum = await hash_file(path)
            facts = await check_file(path, wanted.expectation, pool.received, self._qemu_img)
            received = Received(facts, checksum)
            await self._receiving.keep(pool, wanted, received)
            return received

        return self._receiving.begin(pool, wanted, check)

    async def forget(self, uid: str) -> None:
        """End what brings this image, into whichever pool."""
        await self._receiving.forget(uid)

    async def stop(self) -> None:
        """End all; of what is half there, only what a later transfer can go on from is kept."""
        await self._receiving.stop()

    async def _fetch(self, pool: Pool, image: Image, transfer: Transfer[Received]) -> Received:
        note = await asyncio.to_thread(read_note, pool.received, image.metadata.uid)
        if note is not None and note.offset_bytes == note.length_bytes:
            whole = Incoming(_nothing(), note.length_bytes, note.offset_bytes, note.validator, resumable=True)
            return await self._receiving.receive(pool, wanted_of(image), whole, transfer)
        kept = Kept(note.offset_bytes, note.length_bytes, note.validator) if note else None
        async with self._source.open(image.spec.url or "", kept) as found:
            resumable = bool(found.validator and found.length_bytes)
            rest = Incoming(
                found.chunks, found.length_bytes, found.offset_bytes, found.validator, resumable=resumable
            )
            return await self._receiving.receive(pool, wanted_of(image), rest, transfer)


async def _nothing() -> AsyncIterator[bytes]:
    """What is left of a file that is there whole, and was not looked at yet."""
    chunks: tuple[bytes, ...] = ()
    for chunk in chunks:
        yield chunk


def _as_received(told: Mapping[str, str], wanted: Wanted) -> Received:
    """What an image in Ceph tells of the file that it was. Raises PermanentError (ChecksumMismatch)."""
    checksum, expected = told.get("checksum", ""), wanted.expectation.checksum
    if expected and checksum != expected:
        raise as_error(PermanentError, "ChecksumMismatch", found=checksum, wanted=expected)
    return Received(ImageFacts(ImageFormat(told["format"]), int(told["size"])), checksum)


def wanted_of(image: Image) -> Wanted:
    """What the file of an image must be."""
    return Wanted(
        image.key,
        Expectation(
            uid=image.metadata.uid,
            image_format=image.spec.format,
            # Once it was checked, every further copy must be the same file
            checksum=image.spec.checksum or image.status.checksum or "",
            max_virtual_size_bytes=size_bytes(image.spec.max_virtual_size),
        ),
    )
