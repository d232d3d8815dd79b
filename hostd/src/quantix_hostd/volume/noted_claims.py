"""Writes down each claim in Ceph before this host takes it for work of its own, and frees what was left.

The volume controller and `lending` take them in `at_work`. A hostd that is killed, or whose pool falls
silent, leaves its claim held; where another host acts on the volume by then, nobody else would free it.
`left_claims` decides; this looks, and does.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import assert_never

import structlog

from quantix_api.errors import QuantixError, TransientError
from quantix_api.messages import as_error
from quantix_hostd.claims import CephPool, ClaimStore, VolumeMissingError, VolumePlace
from quantix_hostd.clients.claim_notes import ClaimNote, ClaimNotes
from quantix_hostd.clients.files import explained
from quantix_hostd.pools import HostPools
from quantix_hostd.volume.left_claims import Forget, Free, Keep, SeenNote, plan_note

log = structlog.get_logger(__name__)

IsSo = Callable[[ClaimNote], bool]


class NotedClaims:
    """One for a process. `is_mine`: whether this host acts on the volume, as far as it has heard;
    `is_copied`: whether this process copies it into another pool.
    """

    def __init__(
        self, claims: ClaimStore, pools: HostPools, host: str, is_mine: IsSo, is_copied: IsSo
    ) -> None:
        self._notes = ClaimNotes(pools.layout.claims_for_work)
        self._claims, self._pools, self._host = claims, pools, host
        self._is_mine, self._is_copied = is_mine, is_copied
        self._noted: dict[VolumePlace, ClaimNote] = {}
        self._at_work: set[VolumePlace] = set()
        # by pool: nobody begins work while what an earlier one left is looked at
        self._looks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        # of what it was told that it stays
        self._told: set[VolumePlace] = set()

    async def remember(self) -> None:
        """At hostd's start: what an earlier process noted. Where that cannot be read, hostd goes on."""
        try:
            found = await asyncio.to_thread(self._notes.read)
        except OSError as error:
            log.warning("which claims were taken for work is not known", error=str(error))
            return
        self._noted.update((note.place, note) for note in found)

    @asynccontextmanager
    async def at_work(self, note: ClaimNote) -> AsyncIterator[None]:
        """Where the work ends well, it has put the claim down. Raises TransientError: VolumeInUse while other
        work of this process has it, and where it cannot be noted.
        """
        if note.place.is_local:
            yield
            return
        async with self._looks[_pool(note)]:
            if note.place in self._at_work:
                raise as_error(TransientError, "VolumeInUse", host=self._host)
            await self._note(note)
            self._at_work.add(note.place)
        try:
            yield
        finally:
            self._at_work.discard(note.place)
        await self._forget(note)

    async def note(self, note: ClaimNote) -> None:
        """Of a claim that is held from one look at the volume to another. Raises TransientError."""
        if not note.place.is_local:
            async with self._looks[_pool(note)]:
                await self._note(note)

    async def look(self) -> None:
        """At all that is noted. What cannot be told or done now is left to the next time."""
        away: set[str] = set()
        for note in tuple(self._noted.values()):
            if _pool(note) not in away and not await self._settle(note):
                # a pool that does not answer is asked once
                away.add(_pool(note))

    async def look_at(self, key: str) -> None:
        """The same of the volumes that have, or had, this key."""
        for note in tuple(self._noted.values()):
            if note.key == key:
                await self._settle(note)

    async def _note(self, note: ClaimNote) -> None:
        try:
            await asyncio.to_thread(self._notes.note, note)
        except OSError as error:
            raise explained(error, str(self._pools.layout.claims_for_work)) from error
        self._noted[note.place] = note

    async def _forget(self, note: ClaimNote) -> None:
        try:
            await asyncio.to_thread(self._notes.forget, note)
        except OSError as error:
            log.warning("note of a claim stays", place=note.place.shown, error=str(error))
            return
        self._noted.pop(note.place, None)
        self._told.discard(note.place)

    async def _settle(self, note: ClaimNote) -> bool:
        """Whether the pool answered."""
        async with self._looks[_pool(note)]:
            if self._noted.get(note.place) != note:
                return True
            try:
                seen = await self._observe(note)
                match plan := plan_note(seen):
                    case Keep():
                        pass
                    case Forget():
                        await self._forget(note)
                    case Free():
                        await asyncio.to_thread(
                            self._claims.compare_and_set, note.place, plan.found, plan.freed
                        )
                        log.info("claim freed that was left", place=note.place.shown, volume=note.key)
                        await self._forget(note)
                    case _:
                        assert_never(plan)
            except QuantixError as error:
                self._tell(note, error)
                return False
        return not seen.away

    async def _observe(self, note: ClaimNote) -> SeenNote:
        """Raises InvariantError for a claim that is damaged: it admits nobody until it was put back."""
        busy = note.place in self._at_work or self._is_copied(note)
        seen = SeenNote(note.uid, self._host, busy, _pool(note) not in self._pools.pools)
        if seen.busy or seen.pool_gone:
            return seen
        try:
            await self._pools.pool(_pool(note))
            claim = await asyncio.to_thread(self._claims.read, note.place)
        except VolumeMissingError:
            claim = None
        except TransientError as error:
            self._tell(note, error)
            return replace(seen, away=True)
        # after the claim: what this host was given since, it goes on with
        return replace(seen, claim=claim, mine=self._is_mine(note))

    def _tell(self, note: ClaimNote, error: QuantixError) -> None:
        """Once."""
        if note.place not in self._told:
            log.warning("claim of earlier work is not looked at", place=note.place.shown, error=error.message)
        self._told.add(note.place)


def _pool(note: ClaimNote) -> str:
    assert isinstance(note.place.pool, CephPool)
    return note.place.pool.name
