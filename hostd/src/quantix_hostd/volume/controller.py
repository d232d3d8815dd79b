"""Brings each Volume of this host to what the API wants: make its data, grow it, remove it once it is
deleted.

`main` feeds the queue (keys `namespace/name`). Each look observes, plans (`plan`) and applies until nothing
is left to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, assert_never

import structlog

from quantix_api import Image, VirtualMachine, Volume
from quantix_api.conditions import INTERNAL_ERROR
from quantix_api.errors import InvariantError, QuantixError
from quantix_api.messages import as_error, as_wait
from quantix_api.resources import VOLUMES
from quantix_client.api import ApiClient
from quantix_hostd.claims import Claim, ClaimStore, VolumePlace
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.events import Events, tell
from quantix_hostd.image.formats import ImageFormat
from quantix_hostd.pools import HostPools
from quantix_hostd.report import in_words, next_look_s, report
from quantix_hostd.told import volume_event
from quantix_hostd.transfer.room import Room
from quantix_hostd.volume import plan
from quantix_hostd.volume.copying import Copying
from quantix_hostd.volume.disk_file import (
    DiskFileMaker,
    file_size_bytes,
    read_disk_file,
    read_volume,
    remove_volume,
)
from quantix_hostd.volume.observed import VolumeObserved
from quantix_hostd.volume.plan import plan_volume
from quantix_hostd.volume.recipe import Base
from quantix_hostd.volume.status import VolumeVerdict, derive_status, verdict_of_error
from quantix_hostd.volume.wanted import image_key_of, is_mine

_MAX_ROUNDS = 6
_NOT_WANTED_S = 1.0

log = structlog.get_logger(__name__)

Manifest = dict[str, Any]


class ImageCopies(Protocol):
    """Brings the file of an image into a pool (`image.controller`)."""

    async def ensure_copy(self, image: Image, pool: PoolDir) -> None: ...


class Guests(Protocol):
    """Tells of VMs that held a claim for this host (`virtualmachine.departed`)."""

    async def is_gone(self, vm_uid: str, epoch: int) -> bool: ...


@dataclass(frozen=True)
class VolumeTools:
    """Everything the volume controller acts with; the mappings are caches."""

    api: ApiClient
    volumes: Mapping[str, Manifest]
    images: Mapping[str, Manifest]
    machines: Mapping[str, Manifest]
    pools: HostPools
    copies: ImageCopies
    maker: DiskFileMaker
    room: Room
    claims: ClaimStore
    guests: Guests
    events: Events
    cluster_uid: str
    host: str


class VolumeController:
    """One for a process."""

    def __init__(self, tools: VolumeTools, enqueue: Callable[[str], None]) -> None:
        self._tools = tools
        self._copying = Copying(tools.maker, tools.room, enqueue)

    async def stop(self) -> None:
        """Stop copying; what is half there is removed."""
        await self._copying.stop()

    async def reconcile(self, key: str) -> float | None:
        """Bring the volume nearer; seconds until the next look.

        What goes wrong is reported first; then a TransientError or InvariantError is raised, for the backoff.
        """
        manifest = self._tools.volumes.get(key)
        volume = Volume.model_validate(manifest) if manifest is not None else None
        if manifest is None or volume is None or not self._is_mine(volume):
            await self._copying.forget(key)
            return None
        await self._copying.forget(key, keep_uid=volume.metadata.uid)
        again_s = plan.LOOK_AGAIN_S
        error: QuantixError | None = None
        try:
            verdict, again_s = await self._settle(volume)
            await self._copying.forget(key)
        except (QuantixError, OSError) as trouble:
            error = in_words(trouble, f"the data of volume {volume.metadata.name}")
            verdict = verdict_of_error(volume, error, self._copying.done_bytes(volume))
        status = derive_status(volume, verdict, self._tools.host, datetime.now(UTC))
        told = volume_event(manifest, status)
        written = await report(self._tools.api, VOLUMES, manifest, status)
        if written is not None and told is not None:
            tell(self._tools.events, VOLUMES, manifest, told)
        return next_look_s(error, again_s)

    async def _settle(self, volume: Volume) -> tuple[VolumeVerdict, float]:
        """Act until nothing is left to do; how it is then, and when to look again.

        Raises what it waits for, and InvariantError when there always is something left.
        """
        pool = await self._tools.pools.pool(volume.status.pool or volume.spec.pool)
        for _ in range(_MAX_ROUNDS):
            seen = await self._observe(pool, volume)
            found = plan_volume(seen)
            if found.error is not None:
                raise found.error
            if found.verdict is not None:
                return found.verdict, found.again_s
            for action in found.actions:
                await self._apply(pool, seen, action)
        named = ", ".join(dict.fromkeys(type(action).__name__ for action in found.actions))
        raise as_error(InvariantError, INTERNAL_ERROR, said=f"it is done again and again: {named}")

    async def _observe(self, pool: PoolDir, volume: Volume) -> VolumeObserved:
        handle = volume.status.handle or volume.metadata.uid
        place = pool.place(handle)
        disk = None if volume.deleting else await asyncio.to_thread(read_volume, place)
        image = self._image(volume) if disk is None and not volume.deleting else None
        there = await asyncio.to_thread(pool.volume(handle).exists)
        claim, problem = await asyncio.to_thread(self._claim, place) if there else (None, None)
        return VolumeObserved(
            volume=volume,
            host=self._tools.host,
            cluster_uid=self._tools.cluster_uid,
            pool=pool.name,
            place=place,
            there=there,
            capacity_bytes=disk.capacity_bytes if disk else None,
            claim=claim,
            claim_problem=problem,
            holder_gone=claim is not None and await self._is_holder_gone(claim),
            copy=self._copying.seen(volume),
            image=image,
            base=await asyncio.to_thread(_base, pool, image) if image else None,
        )

    async def _is_holder_gone(self, claim: Claim) -> bool:
        """Whether the claim is held by this host for a VM that it surely runs no more."""
        holder, ours = claim.holder, claim.cluster_uid == self._tools.cluster_uid
        if holder is None or not ours or holder.host != self._tools.host:
            return False
        return await self._tools.guests.is_gone(claim.vm_uid, holder.epoch)

    def _is_wanted(self, volume: Volume) -> bool:
        """Whether the API still has it, for this host, as far as this host has heard."""
        manifest = self._tools.volumes.get(volume.key)
        if manifest is None or manifest["metadata"]["uid"] != volume.metadata.uid:
            return False
        newest = Volume.model_validate(manifest)
        return not newest.deleting and self._is_mine(newest)

    def _is_mine(self, volume: Volume) -> bool:
        machines = map(VirtualMachine.model_validate, self._tools.machines.values())
        return is_mine(volume, self._tools.host, machines)

    def _image(self, volume: Volume) -> Image | None:
        manifest = self._tools.images.get(image_key_of(volume) or "")
        return None if manifest is None else Image.model_validate(manifest)

    def _claim(self, place: VolumePlace) -> tuple[Claim | None, QuantixError | None]:
        try:
            return self._tools.claims.read(place), None
        except QuantixError as problem:
            return None, problem

    async def _apply(self, pool: PoolDir, seen: VolumeObserved, action: plan.Action) -> None:
        about = {"volume": seen.volume.key, "uid": seen.volume.metadata.uid, "pool": pool.name}
        match action:
            case plan.BringImage():
                await self._tools.copies.ensure_copy(action.image, pool)
            case plan.Make():
                if not await self._tools.maker.make(
                    pool, action.recipe, lambda: self._is_wanted(seen.volume)
                ):
                    raise as_wait("Creating", _NOT_WANTED_S, volume=seen.volume.metadata.name)
                log.info("volume made", size_bytes=action.recipe.final_size_bytes, **about)
            case plan.Copy():
                self._copying.begin(pool, seen.volume, action.recipe, lambda: self._is_wanted(seen.volume))
                log.info("volume is being copied", size_bytes=action.recipe.final_size_bytes, **about)
            case plan.StopCopy():
                await self._copying.forget(seen.volume.key)
            case plan.Grow():
                await self._grow(seen.place, action)
                log.info("volume grown", size_bytes=action.to_bytes, **about)
            case plan.FreeClaim():
                await self._move(seen.place, action.found, action.freed)
            case plan.Remove():
                await self._move(seen.place, action.found, action.held)
                await asyncio.to_thread(remove_volume, pool, seen.handle)
                log.info("volume removed", **about)
            case _:
                assert_never(action)

    async def _grow(self, place: VolumePlace, action: plan.Grow) -> None:
        await self._move(place, action.found, action.held)
        try:
            await self._tools.maker.grow(place, action.to_bytes)
        finally:
            await self._move(place, action.held, action.freed)

    async def _move(self, place: VolumePlace, found: Claim, wanted: Claim) -> None:
        if found != wanted:
            await asyncio.to_thread(self._tools.claims.compare_and_set, place, found, wanted)


def _base(pool: PoolDir, image: Image) -> Base | None:
    """The image's file in the pool, None while it is not there or not known what it is."""
    uid, found_format = image.metadata.uid, image.status.format
    if found_format is None or not pool.image(uid).exists():
        return None
    driver = ImageFormat(found_format).driver
    if driver == "raw":
        return Base(uid, driver, file_size_bytes(pool.path, "images", uid))
    disk = read_disk_file(pool.path, "images", uid)
    return Base(uid, driver, disk.capacity_bytes) if disk else None
