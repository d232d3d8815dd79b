"""How much of a pool, or of the host's own file system, may be filled by what is on its way: never the last
5 %, where guests write, or hostd its records.

Used for images that are received, volumes that are copied, and snapshots, which share one `Room`. What
running transfers still have to write is not in the free space of the file system yet, so it is kept here.
Only this host's transfers are known; those of others on a shared pool show in the free space, which is why it
is looked at again while bytes arrive.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from quantix_api.errors import TransientError, WaitingError
from quantix_api.messages import as_error
from quantix_hostd.clients.pool_dir import Space
from quantix_hostd.clients.pool_rbd import PoolRbd

_STEP_BYTES = 64 << 20
_KEEP_FREE_PERCENT = 5
_NO_ROOM_S = 60.0


class Filled(Protocol):
    """What transfers fill: a pool, or files of the host's own."""

    @property
    def key(self) -> object:
        """What it is known by."""

    @property
    def name(self) -> str:
        """As messages tell it."""

    def space(self) -> Space:
        """Blocks. Raises TransientError, and OSError."""


@dataclass(frozen=True)
class HostFiles:
    """A directory of the host itself, which need not be there yet."""

    directory: Path
    host: str

    @property
    def key(self) -> Path:
        """Also a pool there has it."""
        return self.directory

    @property
    def name(self) -> str:
        """Where it is."""
        return str(self.directory)

    def space(self) -> Space:
        """Of its file system. Raises OSError."""
        there = next(path for path in (self.directory, *self.directory.parents) if path.exists())
        status = os.statvfs(there)
        return Space(status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize)


@dataclass(eq=False)
class Share:
    """What one transfer may write, and has written. `length_bytes`: None when the sender does not say."""

    room: Room
    pool: Filled
    length_bytes: int | None
    limit_bytes: int
    """More than this is never taken."""
    what: str
    promised_bytes: int = 0
    written_bytes: int = 0
    _looked_up_to_bytes: int = -1

    @property
    def outstanding_bytes(self) -> int:
        return max(0, self.promised_bytes - self.written_bytes)

    async def reach(self, size_bytes: int) -> None:
        """Called before the file becomes `size_bytes` long; looks at the pool once for each 64 MiB, at one in
        Ceph each time: what is written there while it is full waits for ever, and says nothing.

        Raises TransientError (PoolFull), and OSError.
        """
        if size_bytes <= self._looked_up_to_bytes and not isinstance(self.pool, PoolRbd):
            return
        following = size_bytes + _STEP_BYTES
        wanted = min(following, self.limit_bytes) if self.length_bytes is None else self.length_bytes
        await self.room.promise(self, max(wanted, self.promised_bytes))
        self._looked_up_to_bytes = following

    def end(self) -> None:
        """All of it is written."""
        self.promised_bytes = 0


class Room:
    """The shares of all running transfers of this process."""

    def __init__(self) -> None:
        self._shares: list[Share] = []
        self._asking = asyncio.Lock()

    @contextmanager
    def share(
        self, pool: Filled, length_bytes: int | None, limit_bytes: int, what: str = "this image"
    ) -> Iterator[Share]:
        """A share for as long as the transfer runs and what it wrote is not kept or removed yet."""
        share = Share(self, pool, length_bytes, limit_bytes, what)
        self._shares.append(share)
        try:
            yield share
        finally:
            self._shares.remove(share)

    async def promise(self, share: Share, size_bytes: int) -> None:
        """Let the share's file become `size_bytes` long, beside all that is promised to others.

        Raises TransientError (PoolFull): then nothing is promised beyond what was.
        """
        async with self._asking:
            # before the free space is read: what is written meanwhile counts twice, never not at all
            others = (other for other in self._shares if other is not share)
            taken = sum(other.outstanding_bytes for other in others if other.pool.key == share.pool.key)
            space = await asyncio.to_thread(share.pool.space)
            if space.full:
                raise as_error(TransientError, "PoolFull", pool=share.pool.name, full=space.full)
            free = space.available_bytes - space.capacity_bytes * _KEEP_FREE_PERCENT // 100
            # without a capacity nobody tells it: then the pool itself refuses what it has no room for
            if space.capacity_bytes and taken + size_bytes - share.written_bytes > free:
                raise _no_room(share)
            share.promised_bytes = size_bytes

    async def promise_or_wait(self, share: Share, size_bytes: int) -> None:
        """As `promise`, of what is begun once there is room: raises WaitingError where that would raise."""
        try:
            await self.promise(share, size_bytes)
        except TransientError as full:
            raise WaitingError(full.reason, full.message, full.hint, retry_after_s=_NO_ROOM_S) from full


def _no_room(share: Share) -> TransientError:
    if isinstance(share.pool, HostFiles):
        about = {"directory": share.pool.name, "host": share.pool.host}
        return as_error(TransientError, "PoolFull", **about, what=share.what)
    return as_error(TransientError, "PoolFull", pool=share.pool.name, what=share.what)
