"""Takes the bytes of an image in, wherever they come from, and keeps the file only when all is right.

Called by the image controller (download) and by the API (upload). The bytes are hashed as they pass, go to a
draft that nobody reads, and become the image by one rename after every check: a crash leaves either the
whole, checked image or a draft. What of a draft is worth it, the next transfer goes on from.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog

from quantix_api.disk_image import HEAD_BYTES, LIMIT_OF_IMAGE, ImageFacts, inspect_image
from quantix_api.errors import PermanentError, TransientError
from quantix_api.messages import as_error
from quantix_api.qcow2 import refused
from quantix_api.quantities import format_size
from quantix_hostd.clients.no_follow import opened_file
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.transfer.draft import Draft, discard, opened, read_note
from quantix_hostd.transfer.received import Received
from quantix_hostd.transfer.room import Room, Share

_FILE_MODE = 0o440
# A qcow2 file may be larger than its disk: tables, and clusters that were freed
_OVERHEAD_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 20
# what a crash of the host may cost, which ends no transfer in order
_KEEP_EVERY_BYTES = 64 << 20

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Expectation:
    """What the file must be: from the Image's spec. `checksum` is "sha256:<hex>" or "" to take it as
    found.
    """

    uid: str
    image_format: str
    checksum: str
    max_virtual_size_bytes: int
    limit: str = LIMIT_OF_IMAGE
    """Whose that largest size is, as messages call it."""
    what: str = "this image"
    """What there may be no room for."""

    @property
    def max_file_bytes(self) -> int:
        return self.max_virtual_size_bytes + self.max_virtual_size_bytes // 50 + _OVERHEAD_BYTES


@dataclass(frozen=True)
class Incoming:
    """Bytes on their way in: of a file of `length_bytes` (None: the sender does not say), from its beginning
    or after the first `offset_bytes`, which are kept. `validator`: how the server names the file;
    `resumable`: what comes in is kept when it breaks off.
    """

    chunks: AsyncIterator[bytes]
    length_bytes: int | None
    offset_bytes: int = 0
    validator: str = ""
    resumable: bool = False


async def receive_image(
    pool: PoolDir,
    expectation: Expectation,
    incoming: Incoming,
    qemu_img: QemuImg,
    *,
    room: Room,
    on_progress: Callable[[int], None],
) -> Received:
    """Store what comes in as the image, as far as `room` goes; `on_progress` hears the bytes so far.

    Raises PermanentError (ChecksumMismatch, ImageRefused) or TransientError (PoolFull: nothing is kept then;
    and what the chunks raise: what came is kept if `incoming` is resumable).
    """
    length = incoming.length_bytes
    if length is not None and length > expectation.max_file_bytes:
        raise _too_long(expectation, f"{length} bytes")
    draft = await _draft(pool, expectation.uid, incoming)
    try:
        with room.share(pool, length, expectation.max_file_bytes, expectation.what) as share:
            share.written_bytes = draft.size_bytes
            await share.reach(draft.size_bytes)
            await _write(draft, expectation, incoming, share, on_progress)
            received = await _judged(draft, expectation, pool, qemu_img)
            await asyncio.to_thread(draft.publish)
            return received
    except BaseException as error:
        await asyncio.shield(asyncio.to_thread(_leave, draft, pool, expectation.uid, incoming, error))
        raise
    finally:
        await asyncio.shield(asyncio.to_thread(draft.close))


async def _draft(pool: PoolDir, uid: str, incoming: Incoming) -> Draft:
    """The file that the bytes belong into. Raises TransientError when what they follow is not there."""
    if not incoming.offset_bytes:
        return await opened(lambda: Draft.begin(pool, uid))
    note = await asyncio.to_thread(read_note, pool, uid)
    draft = await opened(lambda: Draft.resume(pool, uid, note)) if note else None
    if draft is not None and draft.size_bytes == incoming.offset_bytes:
        return draft
    if draft is not None:
        draft.close()
    await asyncio.to_thread(discard, pool, uid)
    raise as_error(TransientError, "ImageUnreachable", kept=incoming.offset_bytes)


async def _judged(draft: Draft, expectation: Expectation, pool: PoolDir, qemu_img: QemuImg) -> Received:
    checksum = draft.checksum
    if expectation.checksum and checksum != expectation.checksum:
        found, wanted = _short(checksum), _short(expectation.checksum)
        raise as_error(PermanentError, "ChecksumMismatch", found=found, wanted=wanted)
    return Received(await check_file(draft.path, expectation, pool, qemu_img), checksum)


def _leave(draft: Draft, pool: PoolDir, uid: str, incoming: Incoming, error: BaseException) -> None:
    """What a transfer leaves that ended before its time: nothing, or what the next one goes on from."""
    length = incoming.length_bytes
    worth = incoming.resumable and length is not None and 0 < draft.size_bytes <= length
    broke_off = isinstance(error, asyncio.CancelledError) or (
        isinstance(error, TransientError) and error.reason != "PoolFull"
    )
    try:
        if worth and broke_off and length is not None:
            draft.keep(length, incoming.validator)
            return
    except OSError:
        log.warning("nothing kept of a broken transfer", uid=uid, exc_info=True)
    discard(pool, uid)


async def check_file(path: Path, expectation: Expectation, pool: PoolDir, qemu_img: QemuImg) -> ImageFacts:
    """Judge a file that is on disk: our own check of its header first, then QEMU's, locked up."""
    head, size = await asyncio.to_thread(_head, path)
    most = expectation.max_virtual_size_bytes
    facts = inspect_image(head, size, expectation.image_format, most, expectation.limit)
    await asyncio.to_thread(_give_to_readers, path, pool)
    found = await qemu_img.inspect_foreign(path, facts.format.driver)
    if found != facts.virtual_size_bytes:
        raise refused(flaw=f"its header tells of {facts.virtual_size_bytes} bytes, QEMU reads {found}")
    return facts


async def hash_file(path: Path) -> str:
    """The checksum of a file that is there already, as "sha256:<hex>". Raises OSError."""

    def digest() -> str:
        with opened_file(path.parent, path.name) as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"

    return await asyncio.to_thread(digest)


async def read_chunks(path: Path) -> AsyncIterator[bytes]:
    """A file of this host, piece by piece. Raises OSError."""
    with ExitStack() as stack:
        # opening, too, lasts as long as its pool hangs
        file = await asyncio.to_thread(stack.enter_context, opened_file(path.parent, path.name))
        while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            yield chunk


async def _write(
    draft: Draft,
    expectation: Expectation,
    incoming: Incoming,
    share: Share,
    on_progress: Callable[[int], None],
) -> None:
    length, kept_bytes = incoming.length_bytes, draft.size_bytes
    on_progress(draft.size_bytes)
    async for chunk in incoming.chunks:
        size = draft.size_bytes + len(chunk)
        if size > expectation.max_file_bytes:
            raise _too_long(expectation, f"over {expectation.max_file_bytes} bytes")
        if length is not None and size > length:
            # room was asked for as much as the sender said
            raise as_error(TransientError, "ImageUnreachable", found=size, wanted=length)
        await share.reach(size)
        await asyncio.to_thread(draft.append, chunk)
        share.written_bytes = size
        on_progress(size)
        if incoming.resumable and length is not None and size - kept_bytes >= _KEEP_EVERY_BYTES:
            await asyncio.to_thread(draft.keep, length, incoming.validator)
            kept_bytes = size
    if length is not None and draft.size_bytes != length:
        found = draft.size_bytes
        raise as_error(TransientError, "ImageUnreachable", found=found, wanted=length)
    await asyncio.to_thread(draft.sync)


def _too_long(expectation: Expectation, length: str) -> PermanentError:
    most = format_size(expectation.max_virtual_size_bytes)
    return refused(length=length, **{expectation.limit: most})


def _head(path: Path) -> tuple[bytes, int]:
    with opened_file(path.parent, path.name) as file:
        return file.read(HEAD_BYTES), os.fstat(file.fileno()).st_size


def _give_to_readers(path: Path, pool: PoolDir) -> None:
    pool.owner_of_images.give(path)
    path.chmod(_FILE_MODE)


def _short(checksum: str) -> str:
    return f"{checksum.removeprefix('sha256:')[:12]}…"
