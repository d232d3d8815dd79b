"""Holds volumes still while they are copied: their claim is this host's for that time, so that nobody starts
to write to them.

One for a process, shared by the copies and the volume controller. What a process that was killed leaves held
is in nobody's hands here, so that the look at that volume, or at what was noted (`noted_claims`), frees it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_hostd.claims import ClaimStore, VolumePlace, hold_still, release
from quantix_hostd.clients.claim_notes import ClaimNote
from quantix_hostd.snapshot_place import SnapshotPlace
from quantix_hostd.thread_calls import to_the_end
from quantix_hostd.volume.noted_claims import NotedClaims
from quantix_hostd.volume.recipe import Origin


class Lending:
    """`on_return` hears the key of a volume that is free again."""

    def __init__(
        self,
        claims: ClaimStore,
        noted: NotedClaims,
        host: str,
        cluster_uid: str,
        on_return: Callable[[str], None],
    ) -> None:
        self._claims = claims
        self._noted = noted
        self._host = host
        self._cluster_uid = cluster_uid
        self._on_return = on_return
        # the name of the clone, by the UID of the volume that it is made from
        self._lent: dict[str, str] = {}
        # how many volumes are being made from what a snapshot keeps, by its UID
        self._read: Counter[str] = Counter()

    def borrower(self, uid: str) -> str:
        """The name of the volume that is being made from this one, "" for none."""
        return self._lent.get(uid, "")

    def is_read(self, snapshot_uid: str) -> bool:
        """Whether a volume is being made from what this snapshot keeps."""
        return self._read[snapshot_uid] > 0

    @asynccontextmanager
    async def lent(self, origin: Origin | None, borrower: str) -> AsyncIterator[None]:
        """Hold it still meanwhile. Raises TransientError (VolumeInUse) when somebody has it."""
        if origin is None:
            yield
            return
        if isinstance(origin.place, SnapshotPlace):
            # nobody writes to it, so that as many as want to may read it
            self._read[origin.place.uid] += 1
            try:
                yield
            finally:
                self._read[origin.place.uid] -= 1
            return
        if origin.uid in self._lent:
            raise as_error(TransientError, "VolumeInUse", host=self._host)
        self._lent[origin.uid] = borrower
        try:
            async with self._noted.at_work(ClaimNote(origin.place, origin.key, origin.uid)):
                await to_the_end(lambda _: self._hold(origin.place, origin.uid))
                try:
                    yield
                finally:
                    await asyncio.to_thread(self._free, origin.place, origin.uid)
        finally:
            del self._lent[origin.uid]
            self._on_return(origin.key)

    async def end_left(self, key: str, uid: str, place: VolumePlace) -> None:
        """Free a volume that somebody held still who could not free it any more; not one that is lent now."""
        if uid in self._lent:
            return
        # nobody begins to hold it while it is looked at
        self._lent[uid] = ""
        freed = False
        try:
            freed = await asyncio.to_thread(self._free, place, uid)
        finally:
            del self._lent[uid]
        if freed:
            self._on_return(key)

    def _hold(self, place: VolumePlace, uid: str) -> None:
        claim = self._claims.read(place)
        if claim is None:
            raise as_error(TransientError, "DataDamaged", unclaimed=place.shown_whole)
        held = hold_still(claim, self._host, uid, self._cluster_uid)
        self._claims.compare_and_set(place, claim, held)

    def _free(self, place: VolumePlace, uid: str) -> bool:
        """Whether it was held still."""
        claim = self._claims.read(place)
        if claim is None or claim.vm_uid != uid or not claim.held_by(self._host, 0):
            return False
        self._claims.compare_and_set(place, claim, release(claim, self._host, 0))
        return True
