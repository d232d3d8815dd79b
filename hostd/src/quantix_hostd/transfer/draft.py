"""The file of an image on its way in, and the note beside it by which a broken transfer goes on.

Used by `receive`. Nobody else reads the file; it becomes the image by one rename. The note says which file
the bytes are of, and their sum: what a crash or a disk did to them since is found out before they count.
Everything here blocks, but `opened`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from quantix_api.errors import TransientError
from quantix_hostd.clients.files import explained, sync_directory, write_atomically
from quantix_hostd.clients.no_follow import opened_file
from quantix_hostd.clients.pool_dir import PoolDir

Opened = TypeVar("Opened", "Draft", "Draft | None")

_NOTE_BYTES = 4096
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Note:
    """The first `offset_bytes` of a file of `length_bytes` are there. `validator`: how its server names it,
    "" for one that is sent. `checksum`: of those bytes, "sha256:<hex>".
    """

    offset_bytes: int
    length_bytes: int
    validator: str
    checksum: str


def read_note(pool: PoolDir, uid: str) -> Note | None:
    """What is kept of a broken transfer, as it says itself; None when nothing is, or it is damaged."""
    try:
        with opened_file(pool.path, "images", pool.image_note(uid).name) as file:
            found = json.loads(file.read(_NOTE_BYTES))
        note = Note(
            int(found["offset_bytes"]),
            int(found["length_bytes"]),
            str(found["validator"]),
            str(found["checksum"]),
        )
    except (OSError, TransientError, ValueError, KeyError, TypeError):
        return None
    return note if 0 < note.offset_bytes <= note.length_bytes else None


def discard(pool: PoolDir, uid: str) -> None:
    """Leave nothing of a transfer. Raises OSError."""
    pool.image_note(uid).unlink(missing_ok=True)
    pool.image_draft(uid).unlink(missing_ok=True)


async def opened(open_draft: Callable[[], Opened]) -> Opened:
    """What `open_draft` opens in a thread, closed again when whoever awaits it is cancelled before."""
    opening = asyncio.ensure_future(asyncio.to_thread(open_draft))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unwanted)
        raise


def _close_unwanted(opening: asyncio.Future[Opened]) -> None:
    draft = None if opening.cancelled() or opening.exception() else opening.result()
    if draft is not None:
        draft.close()


class Draft:
    """One image's file while bytes come in. Close it in the end.

    Whoever awaits a thread may be cancelled while the thread goes on: one thing is done at a time, and
    nothing after the end.
    """

    def __init__(self, pool: PoolDir, uid: str, descriptor: int) -> None:
        self._pool, self._uid = pool, uid
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        self._digest = hashlib.sha256()
        self._one_at_a_time = threading.Lock()
        self.size_bytes = 0

    @classmethod
    def begin(cls, pool: PoolDir, uid: str) -> Draft:
        """An empty one; what was there goes."""
        discard(pool, uid)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return cls(pool, uid, os.open(pool.image_draft(uid), flags, 0o600))

    @classmethod
    def resume(cls, pool: PoolDir, uid: str, note: Note) -> Draft | None:
        """The one that the note is about, at its end; None when its bytes are not those any more."""
        try:
            descriptor = os.open(pool.image_draft(uid), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        draft = cls(pool, uid, descriptor)
        if draft._read(note.offset_bytes) and draft.checksum == note.checksum:
            draft._file.truncate(note.offset_bytes)
            return draft
        draft.close()
        return None

    @property
    def path(self) -> Path:
        return self._pool.image_draft(self._uid)

    @property
    def checksum(self) -> str:
        """Of all bytes so far."""
        return f"sha256:{self._digest.hexdigest()}"

    def append(self, chunk: bytes) -> None:
        """Raises TransientError (PoolFull, PoolUnreachable)."""
        rest = memoryview(chunk)
        with self._one_at_a_time:
            try:
                # a file system that is nearly full takes a part
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError as error:
                raise explained(error, "the image") from error
            self._digest.update(chunk)
            self.size_bytes += len(chunk)

    def sync(self) -> None:
        """Raises OSError."""
        os.fsync(self._file.fileno())

    def keep(self, length_bytes: int, validator: str) -> None:
        """Let a later transfer go on from here, also after a power cut. Raises OSError."""
        with self._one_at_a_time:
            self.sync()
            note = Note(self.size_bytes, length_bytes, validator, self.checksum)
            write_atomically(self._pool.image_note(self._uid), json.dumps(asdict(note)).encode())

    def publish(self) -> None:
        """Make it the image. Raises OSError."""
        final = self._pool.image(self._uid)
        self.path.rename(final)
        self._pool.image_note(self._uid).unlink(missing_ok=True)
        sync_directory(final.parent)

    def close(self) -> None:
        with self._one_at_a_time:
            self._file.close()

    def _read(self, size_bytes: int) -> bool:
        """Whether the file has so many bytes; they are hashed then."""
        while self.size_bytes < size_bytes:
            chunk = self._file.read(min(_CHUNK_BYTES, size_bytes - self.size_bytes))
            if not chunk:
                return False
            self._digest.update(chunk)
            self.size_bytes += len(chunk)
        return True
