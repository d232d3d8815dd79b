"""Looks at, and does, what the controller of volumes needs for moves between pools; `move_plan` decides."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import assert_never

import structlog

from quantix_api import Volume
from quantix_api.errors import InvariantError, QuantixError
from quantix_hostd.claims import Claim, ClaimStore, VolumeMissingError, VolumePlace
from quantix_hostd.clients.pool import Pool
from quantix_hostd.pools import HostPools
from quantix_hostd.volume import move_plan as do
from quantix_hostd.volume.claimed_work import note_of
from quantix_hostd.volume.copying import Copying, MoveWork, Work
from quantix_hostd.volume.noted_claims import NotedClaims
from quantix_hostd.volume.observed import OtherPlace, VolumeObserved
from quantix_hostd.volume.storage import StorageByKind
from quantix_hostd.volume.wanted import move_target

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class VolumeMoves:
    """One for a process. `is_gone`: whether a claim is held for a VM that surely runs no more here."""

    pools: HostPools
    claims: ClaimStore
    storage: StorageByKind
    copying: Copying
    noted: NotedClaims
    is_gone: Callable[[Claim], Awaitable[bool]]

    async def pool_of(self, volume: Volume) -> Pool:
        """The pool in which the volume is, or is to be made: the one that it was moved to, whatever the API
        still says. Raises as `HostPools.pool`.
        """
        pool = await self.pools.pool(volume.status.pool or volume.spec.pool)
        handle, wanted = volume.status.handle or volume.metadata.uid, move_target(volume, pool.name)
        claim = await self._claim(pool.place(handle))
        if claim is not None and claim.moved:
            return await self.pools.pool(claim.moving_to)
        if not wanted or await asyncio.to_thread(pool.has_any_of, handle):
            return pool
        # an API that was restored may name the pool that it has left; here it is asked for where it is
        other = await self.pools.pool(wanted)
        found = await self._claim(other.place(handle))
        return other if found is not None and not found.partial and not found.moved else pool

    async def other(self, pool: Pool, volume: Volume, claim: Claim | None) -> OtherPlace | None:
        """What lies of it in another pool than `pool`, where it is."""
        if claim is None:
            return None
        name = claim.moved_from or claim.moving_to or move_target(volume, pool.name)
        if not name:
            return None
        try:
            other = await self.pools.pool(name)
        except QuantixError as problem:
            return OtherPlace(name, problem=problem)
        place = other.place(volume.status.handle or volume.metadata.uid)
        there = await asyncio.to_thread(other.has_any_of, place.handle)
        found = await self._claim(place) if there else None
        gone = found is not None and await self.is_gone(found)
        has_disk = found is not None and found.partial and await asyncio.to_thread(self._has_disk, place)
        return OtherPlace(name, place, found, there, has_disk, holder_gone=gone)

    async def apply(
        self, pool: Pool, seen: VolumeObserved, action: do.MoveAction, is_wanted: Callable[[], bool]
    ) -> None:
        """Do one step. Raises QuantixError and OSError."""
        match action:
            case do.SetClaim():
                if action.wanted.holder is not None and action.found.holder is None:
                    # held from now on until a later look ends the move
                    await self.noted.note(note_of(seen))
                await asyncio.to_thread(
                    self.claims.compare_and_set, action.place, action.found, action.wanted
                )
            case do.CopyTo():
                await self._copy(pool, seen, action, is_wanted)
            case do.StopCopying():
                await self.copying.forget(seen.volume.key)
            case do.RemoveOther():
                other = await self.pools.pool(action.pool)
                await asyncio.to_thread(self.storage.remove, other, seen.handle)
                log.info("removed from a pool", volume=seen.volume.key, uid=seen.handle, pool=action.pool)
            case _:
                assert_never(action)

    async def _copy(
        self, pool: Pool, seen: VolumeObserved, action: do.CopyTo, is_wanted: Callable[[], bool]
    ) -> None:
        target, size_bytes = await self.pools.pool(action.pool), seen.capacity_bytes or 0
        work = Work(target, seen.handle, size_bytes)
        self.copying.begin_move(
            seen.volume, MoveWork(work, seen.place, action.claim, seen.passphrase), is_wanted
        )
        log.info("volume is being moved", volume=seen.volume.key, pool=pool.name, to=action.pool)

    def _has_disk(self, copy: VolumePlace) -> bool:
        """One that is damaged is none: the copy is made anew. Raises TransientError."""
        try:
            return self.storage.read(copy) is not None
        except InvariantError as damage:
            log.warning("copy is damaged", place=copy.shown, error=damage.message)
            return False

    async def _claim(self, place: VolumePlace) -> Claim | None:
        """None also where it cannot be read: the volume is looked at where it is said to be."""
        try:
            return await asyncio.to_thread(self.claims.read, place)
        except VolumeMissingError:
            return None
        except QuantixError as problem:
            log.warning("claim is not read", place=place.shown, error=problem.message)
            return None
