"""Copies images and volumes for volumes, and volumes into other pools: in the background, two at once, one
for a namespace.

Owned by the volume controller, which decides what is begun. A copy takes as long as its disk is large, and
must keep nobody else's volumes waiting, nor fill the pool's last room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from quantix_api import Volume
from quantix_api.errors import TransientError
from quantix_hostd.claims import Claim, VolumePlace
from quantix_hostd.clients.pool import Pool
from quantix_hostd.facts.copies import CopyProgress
from quantix_hostd.transfer.room import Room, Share
from quantix_hostd.transfer.seen import TransferSeen
from quantix_hostd.transfer.transfers import Transfer, Transfers
from quantix_hostd.transfer.turns import DISK_COPIES, Turns
from quantix_hostd.volume.disk_size import draft_size_bytes
from quantix_hostd.volume.lending import Lending
from quantix_hostd.volume.recipe import Recipe
from quantix_hostd.volume.storage import StorageByKind

_MEASURE_S = 1.0
# qcow2 that holds every cluster is larger than the disk by its tables
_TABLES_FACTOR = 1.1


@dataclass(frozen=True)
class Work:
    """What is written where: `size_bytes` as the guest sees it."""

    pool: Pool
    handle: str
    size_bytes: int


@dataclass(frozen=True)
class MoveWork:
    """The copy of `source`, the claim that it gets, and the passphrase of both, "" for none."""

    work: Work
    source: VolumePlace
    claim: Claim
    passphrase: str = field(default="", repr=False)


class Copying:
    """One for a process. `room` is shared with all else that fills pools; `on_end` hears the key of a volume
    whose copy ended. What is copied is `lending`'s to hold still.
    """

    def __init__(
        self, maker: StorageByKind, room: Room, lending: Lending, on_end: Callable[[str], None]
    ) -> None:
        self._maker = maker
        self._transfers: Transfers[None] = Transfers("volume", on_end)
        self._turns = Turns(DISK_COPIES)
        self._room = room
        self._lending = lending
        # UID and pool of the copies that were begun, by the volume's key
        self._begun: dict[str, tuple[str, str]] = {}

    def seen(self, volume: Volume) -> TransferSeen[None] | None:
        """The copy of this volume as it is now, None when there was none."""
        transfer = self._transfer(volume)
        return None if transfer is None else transfer.seen()

    def progress(self, volume: Volume) -> CopyProgress | None:
        """How far the copy has come, as it is shown; None while none is being made."""
        transfer = self._transfer(volume)
        return CopyProgress(*transfer.shown) if transfer is not None and transfer.running else None

    def begin(self, pool: Pool, volume: Volume, recipe: Recipe, is_wanted: Callable[[], bool]) -> None:
        """Begin to make the volume."""

        async def make() -> bool:
            async with self._lending.lent(recipe.origin, volume.metadata.name):
                return await self._maker.make(pool, recipe, is_wanted)

        work = Work(pool, recipe.handle, recipe.final_size_bytes)
        self._begin(volume, work, make, lambda: self._maker.made_bytes(pool, recipe))

    def begin_move(self, volume: Volume, move: MoveWork, is_wanted: Callable[[], bool]) -> None:
        """Begin to copy the volume into another pool."""

        def copy() -> Coroutine[Any, Any, bool]:
            return self._maker.copy(move.source, move.work.pool, move.claim, is_wanted, move.passphrase)

        self._begin(volume, move.work, copy, lambda: self._maker.moved_bytes(move.source))

    def _begin(
        self,
        volume: Volume,
        work: Work,
        make: Callable[[], Coroutine[Any, Any, bool]],
        measure: Callable[[], Awaitable[int | None]],
    ) -> None:
        namespace = volume.metadata.namespace or ""

        async def copy(transfer: Transfer[None]) -> None:
            transfer.queued = self._turns.all_taken(namespace)
            async with self._turns.turn(namespace):
                transfer.queued = False
                transfer.total_bytes = await measure()
                limit = int(work.size_bytes * _TABLES_FACTOR)
                with self._room.share(work.pool, None, limit, "this disk") as share:
                    await self._make(work, make, share, transfer)

        uid = volume.metadata.uid
        self._begun[volume.key] = uid, work.pool.name
        begun = self._transfers.begin(uid, work.pool.name, volume.key, copy)
        # `copy` says so anew, but what is reported now comes before its first step
        begun.queued = self._turns.all_taken(namespace)

    async def forget(self, key: str, keep_uid: str = "") -> None:
        """End the copy of this volume, if there is one, and forget it; what is half there is removed.

        With `keep_uid` only one for another volume that had this key before.
        """
        begun = self._begun.get(key)
        if begun is not None and begun[0] != keep_uid:
            del self._begun[key]
            await self._transfers.forget(begun[0])

    def has(self, key: str) -> bool:
        """Whether a copy for this volume was begun, and is not forgotten."""
        return key in self._begun

    async def stop(self) -> None:
        """End all; what is half there is removed."""
        await self._transfers.stop()

    def _transfer(self, volume: Volume) -> Transfer[None] | None:
        uid, pool = self._begun.get(volume.key, ("", ""))
        return self._transfers.get(uid, pool) if uid == volume.metadata.uid else None

    async def _make(
        self,
        work: Work,
        make: Callable[[], Coroutine[Any, Any, bool]],
        share: Share,
        transfer: Transfer[None],
    ) -> None:
        """Make it, and end it when the pool has no room for more. Raises TransientError (PoolFull)."""
        making, written = asyncio.create_task(make()), 0
        try:
            while not making.done():
                # Ceph may be away for a while, and the copy waits for it
                with suppress(TransientError):
                    written = await asyncio.to_thread(draft_size_bytes, work.pool, work.handle)
                share.written_bytes = written
                transfer.on_progress(written)
                await share.reach(written)
                await asyncio.wait({making}, timeout=_MEASURE_S)
        finally:
            making.cancel()
            await asyncio.wait({making})
        making.result()
