"""Makes a volume larger or removes it, under its claim (ha.md, section Ownership). Called by the volume
controller.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from quantix_hostd.claims import Claim, ClaimStore, VolumePlace
from quantix_hostd.clients.claim_notes import ClaimNote
from quantix_hostd.clients.pool import Pool
from quantix_hostd.volume.actions import Grow, Remove
from quantix_hostd.volume.noted_claims import NotedClaims
from quantix_hostd.volume.observed import VolumeObserved
from quantix_hostd.volume.passphrases import Passphrases
from quantix_hostd.volume.storage import StorageByKind

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ClaimedWork:
    """One for a process. What it does raises QuantixError and OSError."""

    claims: ClaimStore
    maker: StorageByKind
    passphrases: Passphrases
    noted: NotedClaims

    async def grow(self, seen: VolumeObserved, action: Grow) -> None:
        """Free the claim also when that does not work."""
        passphrase = await self.passphrases.of(seen.volume)
        async with self.noted.at_work(note_of(seen)):
            await self._take(seen.place, action.found, action.held)
            try:
                await self.maker.grow(seen.place, action.to_bytes, passphrase)
            finally:
                await self.free(seen.place, action.held, action.freed)
        log.info("volume grown", size_bytes=action.to_bytes, **_about(seen))

    async def remove(self, pool: Pool, seen: VolumeObserved, action: Remove) -> None:
        """The claim goes last."""
        async with self.noted.at_work(note_of(seen)):
            await self._take(seen.place, action.found, action.held)
            await asyncio.to_thread(self.maker.remove, pool, seen.handle)
        log.info("volume removed", **_about(seen))

    async def free(self, place: VolumePlace, found: Claim, freed: Claim) -> None:
        if found != freed:
            await asyncio.to_thread(self.claims.compare_and_set, place, found, freed)

    async def _take(self, place: VolumePlace, found: Claim, held: Claim) -> None:
        """Written also where this host holds it already: it may have been freed since that was seen."""
        await asyncio.to_thread(self.claims.compare_and_set, place, found, held, rewrite=True)


def _about(seen: VolumeObserved) -> dict[str, str]:
    return {"volume": seen.volume.key, "uid": seen.volume.metadata.uid, "pool": seen.pool}


def note_of(seen: VolumeObserved) -> ClaimNote:
    """That this host works on the volume."""
    return ClaimNote(seen.place, seen.volume.key, seen.volume.metadata.uid)
