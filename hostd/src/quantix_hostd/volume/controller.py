"""Brings each Volume of this host to what the API wants: make its data, grow it, remove it once it is
deleted.

`assembly` feeds the queue (keys `namespace/name`). Each look observes, plans (`plan`) and applies until
nothing is left to do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog

from quantix_api import VirtualMachine, Volume
from quantix_api.errors import QuantixError
from quantix_api.messages import as_wait
from quantix_api.resources import VOLUMES
from quantix_api.virtual_machine_restore import OVER
from quantix_client.reading import model_of
from quantix_hostd.by_uid import ByUid
from quantix_hostd.claims import Claim, VolumePlace
from quantix_hostd.clients.claim_notes import ClaimNote
from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.endless import endless
from quantix_hostd.events import tell
from quantix_hostd.facts.copies import CopyProgress
from quantix_hostd.report import in_words, next_look_s, report
from quantix_hostd.told import volume_event
from quantix_hostd.volume import actions as do
from quantix_hostd.volume.claimed_work import ClaimedWork
from quantix_hostd.volume.copying import Copying
from quantix_hostd.volume.lending import Lending
from quantix_hostd.volume.making_plan import has_sources
from quantix_hostd.volume.moving import VolumeMoves
from quantix_hostd.volume.noted_claims import NotedClaims
from quantix_hostd.volume.observed import VolumeObserved
from quantix_hostd.volume.plan import LOOK_AGAIN_S, plan_volume
from quantix_hostd.volume.sources import Sources
from quantix_hostd.volume.status import VolumeVerdict, derive_status, verdict_of_error
from quantix_hostd.volume.tools import VolumeTools
from quantix_hostd.volume.unmade import UnmadeCopies
from quantix_hostd.volume.wanted import growth_text, has_guest_here, is_mine, move_target, owner_uids

_MAX_ROUNDS = 6
_NOT_WANTED_S = 1.0

log = structlog.get_logger(__name__)

Manifest = dict[str, Any]


class VolumeController:
    """One for a process."""

    def __init__(self, tools: VolumeTools, enqueue: Callable[[str], None]) -> None:
        self._tools = tools
        self._machines = ByUid(tools.machines)
        told = self._is_note_mine, lambda note: self._copying.has(note.key)
        self.noted = NotedClaims(tools.claims, tools.pools, tools.host, *told)
        self.lending = Lending(tools.claims, self.noted, tools.host, tools.cluster_uid, enqueue)
        self._work = ClaimedWork(tools.claims, tools.maker, tools.passphrases, self.noted)
        self._copying: Copying = Copying(tools.maker, tools.room, self.lending, enqueue)
        keeps = tools.pools, tools.claims, tools.maker
        self._moves = VolumeMoves(*keeps, self._copying, self.noted, self._is_holder_gone)
        known = tools.volumes, tools.images, tools.snapshots, self._machines, tools.namespaces
        self._sources = Sources(*known, *keeps)
        self._unmade = UnmadeCopies(tools.api, tools.namespaces)

    async def remember(self) -> None:
        """At hostd's start: what an earlier process took in hand."""
        await self._tools.uploads.remember()
        await self.noted.remember()

    async def stop(self) -> None:
        """Stop receiving, and copying: what is half copied is removed."""
        await self._tools.uploads.stop()
        await self._copying.stop()

    async def reconcile(self, key: str) -> float | None:
        """Bring the volume nearer; seconds until the next look.

        What goes wrong is reported first; then a TransientError or InvariantError is raised, for the backoff.
        """
        manifest = self._tools.volumes.get(key)
        volume = model_of(Volume, manifest) if manifest is not None else None
        if manifest is None or volume is None or not self._is_mine(volume):
            await self._forget(key)
            return None
        await self._forget(key, keep_uid=volume.metadata.uid)
        again_s = LOOK_AGAIN_S
        error: QuantixError | None = None
        try:
            verdict, again_s = await self._settle(volume)
            await self._copying.forget(key)
        except (QuantixError, OSError) as trouble:
            error = in_words(trouble, f"the data of volume {volume.metadata.name}")
            verdict = verdict_of_error(volume, error, self._progress(volume))
        status = derive_status(volume, verdict, self._tools.host, datetime.now(UTC))
        told = volume_event(manifest, status)
        written = await report(self._tools.api, VOLUMES, manifest, status)
        if written is not None and told is not None:
            tell(self._tools.events, VOLUMES, manifest, told)
        return next_look_s(error, again_s)

    async def _forget(self, key: str, keep_uid: str = "") -> None:
        """End what is made for a volume that had this key and is gone, or no more of this host."""
        # before anything is waited for: somebody may send for a new volume of that name meanwhile
        sent = self._tools.uploads.sent_for(key) - {keep_uid}
        await self._copying.forget(key, keep_uid)
        await self._tools.uploads.forget(key, sent)
        # once nothing of this process is at work on it
        await self.noted.look_at(key)
        if not keep_uid:
            self._unmade.forget(key)

    async def _settle(self, volume: Volume) -> tuple[VolumeVerdict, float]:
        """Act until nothing is left to do; how it is then, and when to look again.

        Raises what it waits for, and InvariantError when there always is something left.
        """
        if volume.status.data != "Present" and not volume.deleting:
            self._sources.check_pool(volume)
        for _ in range(_MAX_ROUNDS):
            pool = await self._moves.pool_of(volume)
            seen = await self._observe(pool, volume)
            found = plan_volume(seen)
            if found.error is not None:
                raise found.error
            if found.verdict is not None:
                return found.verdict, found.again_s
            for action in found.actions:
                await self._apply(pool, seen, action)
        raise endless(found.actions)

    def _progress(self, volume: Volume) -> CopyProgress | None:
        copied, live = self._copying.progress(volume), self._tools.live_moves.seen(volume.metadata.uid)
        copied = copied or self._tools.uploads.progress(volume)
        copied = copied or self._sources.progress(volume, self._tools.copies)
        return copied or (live.progress if live is not None else None)

    async def _observe(self, pool: Pool, volume: Volume) -> VolumeObserved:
        handle = volume.status.handle or volume.metadata.uid
        place = pool.place(handle)
        disk = None if volume.deleting else await asyncio.to_thread(self._tools.maker.read, place)
        there = await asyncio.to_thread(pool.has_any_of, handle)
        claim, problem = await asyncio.to_thread(self._claim, place) if there else (None, None)
        seen = VolumeObserved(
            volume=volume,
            host=self._tools.host,
            cluster_uid=self._tools.cluster_uid,
            pool=pool.name,
            place=place,
            there=there,
            capacity_bytes=disk.capacity_bytes if disk else None,
            full=await asyncio.to_thread(self._full, place) if disk and isinstance(pool, PoolRbd) else "",
            claim=claim,
            claim_problem=problem,
            holder_gone=claim is not None and await self._is_holder_gone(claim),
            restore_over=claim is not None and self._is_restore_over(claim),
            copy=self._copying.seen(volume),
            lent_to=self.lending.borrower(volume.metadata.uid),
            other=await self._moves.other(pool, volume, claim),
            live=self._tools.live_moves.seen(volume.metadata.uid),
            assigned=has_guest_here(volume, self._tools.host, self._owners(volume)),
            growth=growth_text(volume, self._owners(volume)),
            arrival=await self._tools.uploads.look(pool, volume),
            now_s=time.time(),
        )
        if volume.deleting:
            return replace(seen, unmade=await self._unmade.of(volume)) if there else seen
        return await (self._with_sources(pool, seen) if disk is None else self._to_be_moved(seen))

    async def _to_be_moved(self, seen: VolumeObserved) -> VolumeObserved:
        """With the passphrase that a copy in another pool gets, where one is to be made here."""
        copying = seen.copy is not None and seen.copy.running
        moves = move_target(seen.volume, seen.pool) and not seen.assigned and not copying
        return await self._with_passphrases(seen, None) if moves else seen

    async def _with_sources(self, pool: Pool, seen: VolumeObserved) -> VolumeObserved:
        """What only matters while there is no data yet."""
        image, source = self._sources.image(seen.volume), self._sources.volume(seen.volume)
        snapshot, wanted = self._sources.snapshot(seen.volume), seen.volume.spec.source
        origin, claim = await self._sources.origin(source) if source is not None else (None, None)
        if snapshot is not None and wanted is not None and wanted.snapshot is not None:
            origin = await self._sources.kept(snapshot, wanted.snapshot.disk)
        seen = replace(
            seen,
            image=image,
            base=await self._sources.base(pool, image) if image else None,
            source=source,
            snapshot=snapshot,
            origin=origin,
            origin_claim=claim,
            origin_user=self._sources.user(claim, source),
            origin_lent=origin is not None and bool(self.lending.borrower(origin.uid)),
        )
        copied = seen.copy is not None and seen.copy.running
        return seen if copied or not has_sources(seen) else await self._with_passphrases(seen, source)

    async def _with_passphrases(self, seen: VolumeObserved, source: Volume | None) -> VolumeObserved:
        try:
            own = await self._tools.passphrases.of(seen.volume)
            others = await self._tools.passphrases.of(source) if source is not None else ""
            if seen.snapshot is not None and seen.origin is not None and seen.origin.encrypted:
                # the volume that it is of may be gone: what is made of it opens with the same
                others = own
        except QuantixError as problem:
            return replace(seen, passphrase_problem=problem)
        return replace(seen, passphrase=own, origin_passphrase=others)

    async def _is_holder_gone(self, claim: Claim) -> bool:
        """Whether the claim is held by this host for a VM that it surely runs no more."""
        holder, ours = claim.holder, claim.cluster_uid == self._tools.cluster_uid
        if holder is None or not ours or holder.host != self._tools.host or claim.restoring:
            return False
        return await self._tools.guests.is_gone(claim.vm_uid, holder.epoch)

    def _is_restore_over(self, claim: Claim) -> bool:
        """Whether the restore that the claim names is no more to be carried out by this host."""
        known = (item for item in self._tools.restores.values() if item["metadata"]["uid"] == claim.restoring)
        return all((item.get("status") or {}).get("phase") in OVER for item in known)

    def _known(self, key: str, uid: str) -> Volume | None:
        """The Volume as far as this host has heard of it."""
        manifest = self._tools.volumes.get(key)
        return model_of(Volume, manifest) if manifest and manifest["metadata"]["uid"] == uid else None

    def _is_wanted(self, volume: Volume) -> bool:
        """Whether the API still has it, for this host."""
        newest = self._known(volume.key, volume.metadata.uid)
        return newest is not None and not newest.deleting and self._is_mine(newest)

    def _is_wanted_in(self, volume: Volume, pool: str) -> bool:
        """Whether the volume is still to leave `pool` for the one that it was to go to."""
        newest = self._known(volume.key, volume.metadata.uid)
        if newest is None or not self._is_wanted(volume):
            return False
        return move_target(newest, pool) == volume.status.moving_to

    def _is_mine(self, volume: Volume) -> bool:
        return is_mine(volume, self._tools.host, self._owners(volume))

    def _is_note_mine(self, note: ClaimNote) -> bool:
        newest = self._known(note.key, note.uid)
        return newest is not None and self._is_mine(newest)

    def _owners(self, volume: Volume) -> list[VirtualMachine]:
        known = (self._machines.get(uid) for uid in owner_uids(volume))
        return [model_of(VirtualMachine, item) for item in known if item is not None]

    def _claim(self, place: VolumePlace) -> tuple[Claim | None, QuantixError | None]:
        try:
            return self._tools.claims.read(place), None
        except QuantixError as problem:
            return None, problem

    def _full(self, place: VolumePlace) -> str:
        """What does not tell it still has the data."""
        try:
            return self._tools.maker.full(place)
        except QuantixError:
            return ""

    async def _apply(self, pool: Pool, seen: VolumeObserved, action: do.Action) -> None:
        about = {"volume": seen.volume.key, "uid": seen.volume.metadata.uid, "pool": pool.name}
        match action:
            case do.BringImage():
                await self._tools.copies.ensure_copy(action.image, pool)
            case do.Make():
                if not await self._tools.maker.make(
                    pool, action.recipe, lambda: self._is_wanted(seen.volume)
                ):
                    raise as_wait("Creating", _NOT_WANTED_S, volume=seen.volume.metadata.name)
                log.info("volume made", size_bytes=action.recipe.final_size_bytes, **about)
            case do.Copy():
                self._copying.begin(pool, seen.volume, action.recipe, lambda: self._is_wanted(seen.volume))
                log.info("volume is being copied", size_bytes=action.recipe.final_size_bytes, **about)
            case do.StopCopy():
                await self._copying.forget(seen.volume.key)
            case do.EndUpload():
                await self._tools.uploads.end(pool, seen.volume)
            case do.Grow():
                await self._work.grow(seen, action)
            case do.FreeClaim():
                await self._work.free(seen.place, action.found, action.freed)
            case do.Remove():
                await self._work.remove(pool, seen, action)
            case _:
                await self._moves.apply(
                    pool, seen, action, lambda: self._is_wanted_in(seen.volume, pool.name)
                )
