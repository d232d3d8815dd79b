"""Takes the bytes of an image in, wherever they come from, and keeps the file only when all is right.

Called by the image controller (download) and by the API (upload). The bytes are hashed as they pass, go to a
file that nobody reads, and become the image by one rename after every check: a crash leaves either the whole,
checked image or a draft that is swept at the next start.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from quantix_api.errors import PermanentError, TransientError
from quantix_api.messages import as_error
from quantix_api.quantities import format_size
from quantix_hostd.clients.files import explained, sync_directory
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.image.formats import HEAD_BYTES, ImageFacts, Received, inspect_image, refused
from quantix_hostd.transfer.room import Room, Share

_FILE_MODE = 0o440
# A qcow2 file may be larger than its disk: tables, and clusters that were freed
_OVERHEAD_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Expectation:
    """What the file must be: from the Image's spec. `checksum` is "sha256:<hex>" or "" to take it as
    found.
    """

    uid: str
    image_format: str
    checksum: str
    max_virtual_size_bytes: int

    @property
    def max_file_bytes(self) -> int:
        return self.max_virtual_size_bytes + self.max_virtual_size_bytes // 50 + _OVERHEAD_BYTES


async def receive_image(
    pool: PoolDir,
    expectation: Expectation,
    chunks: AsyncIterator[bytes],
    qemu_img: QemuImg,
    *,
    room: Room,
    length_bytes: int | None,
    on_progress: Callable[[int], None],
) -> Received:
    """Store `chunks` as the image, as far as `room` goes; `on_progress` hears the bytes so far.

    Raises PermanentError (ChecksumMismatch, ImageRefused) or TransientError (PoolFull, and what `chunks`
    raises). Nothing is kept then.
    """
    if length_bytes is not None and length_bytes > expectation.max_file_bytes:
        raise _too_long(expectation, f"{length_bytes} bytes")
    with room.share(pool, length_bytes, expectation.max_file_bytes) as share:
        await share.reach(0)
        return await _receive(expectation, chunks, qemu_img, share, on_progress)


async def _receive(
    expectation: Expectation,
    chunks: AsyncIterator[bytes],
    qemu_img: QemuImg,
    share: Share,
    on_progress: Callable[[int], None],
) -> Received:
    pool, length_bytes = share.pool, share.length_bytes
    draft = pool.image_draft(expectation.uid)
    try:
        checksum, size = await _write(draft, expectation, chunks, share, on_progress)
        if length_bytes is not None and size != length_bytes:
            raise as_error(TransientError, "ImageUnreachable", found=size, wanted=length_bytes)
        if expectation.checksum and checksum != expectation.checksum:
            found, wanted = _short(checksum), _short(expectation.checksum)
            raise as_error(PermanentError, "ChecksumMismatch", found=found, wanted=wanted)
        facts = await check_file(draft, expectation, pool, qemu_img)
        await asyncio.to_thread(_publish, draft, pool.image(expectation.uid))
        return Received(facts, checksum)
    finally:
        await asyncio.to_thread(draft.unlink, missing_ok=True)


async def check_file(path: Path, expectation: Expectation, pool: PoolDir, qemu_img: QemuImg) -> ImageFacts:
    """Judge a file that is on disk: our own check of its header first, then QEMU's, locked up."""
    head, size = await asyncio.to_thread(_head, path)
    facts = inspect_image(head, size, expectation.image_format, expectation.max_virtual_size_bytes)
    await asyncio.to_thread(_give_to_qemu, path, pool)
    found = await qemu_img.inspect_foreign(path, facts.format.driver)
    if found != facts.virtual_size_bytes:
        raise refused(flaw=f"its header tells of {facts.virtual_size_bytes} bytes, QEMU reads {found}")
    return facts


async def hash_file(path: Path) -> str:
    """The checksum of a file that is there already, as "sha256:<hex>". Raises OSError."""

    def digest() -> str:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"

    return await asyncio.to_thread(digest)


async def read_chunks(path: Path) -> AsyncIterator[bytes]:
    """A file of this host, piece by piece. Raises OSError."""
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            yield chunk


async def _write(
    draft: Path,
    expectation: Expectation,
    chunks: AsyncIterator[bytes],
    share: Share,
    on_progress: Callable[[int], None],
) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    file = await asyncio.to_thread(_open_draft, draft)
    try:
        async for chunk in chunks:
            size += len(chunk)
            if size > expectation.max_file_bytes:
                raise _too_long(expectation, f"over {expectation.max_file_bytes} bytes")
            await share.reach(size)
            await asyncio.to_thread(_append, file, chunk, digest.update)
            share.written_bytes = size
            on_progress(size)
        await asyncio.to_thread(_finish, file)
    finally:
        await asyncio.to_thread(file.close)
    return f"sha256:{digest.hexdigest()}", size


def _too_long(expectation: Expectation, length: str) -> PermanentError:
    return refused(length=length, limit=format_size(expectation.max_virtual_size_bytes))


def _open_draft(draft: Path) -> BinaryIO:
    draft.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(draft, flags, 0o600), "wb", buffering=0)


def _append(file: BinaryIO, chunk: bytes, update: Callable[[bytes], None]) -> None:
    update(chunk)
    rest = memoryview(chunk)
    try:
        # a file system that is nearly full takes a part
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise explained(error, "the image") from error


def _finish(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _head(path: Path) -> tuple[bytes, int]:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES), os.fstat(file.fileno()).st_size


def _give_to_qemu(path: Path, pool: PoolDir) -> None:
    pool.owner.give(path)
    path.chmod(_FILE_MODE)


def _publish(draft: Path, final: Path) -> None:
    draft.rename(final)
    sync_directory(final.parent)


def _short(checksum: str) -> str:
    return f"{checksum.removeprefix('sha256:')[:12]}…"
