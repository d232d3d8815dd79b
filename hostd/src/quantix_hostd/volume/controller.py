"""Brings each Volume of this host to what the API wants: make its data, grow it, remove it once it is
deleted.

`main` feeds the queue (keys `namespace/name`). Data of a volume that a VM has is only changed by that VM's
start and its QEMU; all other work takes the volume's claim first (ha.md, section Ownership).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from quantix_api import Image, VirtualMachine, Volume
from quantix_api.errors import PermanentError, QuantixError, TransientError, WaitingError
from quantix_api.messages import as_error, as_wait, render
from quantix_api.resources import VOLUMES
from quantix_client.api import ApiClient
from quantix_hostd.claims import Claim, ClaimRefusedError, ClaimStore, VolumePlace, release, take
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.image.formats import ImageFormat
from quantix_hostd.image.status import wait_for_image
from quantix_hostd.pools import HostPools
from quantix_hostd.report import in_words, next_look_s, report
from quantix_hostd.volume.disk_file import (
    Base,
    DiskFileMaker,
    Recipe,
    file_size_bytes,
    read_disk_file,
    read_volume,
    remove_volume,
)
from quantix_hostd.volume.status import VolumeVerdict, derive_status, present, verdict_of_error
from quantix_hostd.volume.wanted import belongs_to_vm, granted_bytes, image_key_of, is_mine, wanted_bytes

_LOOK_AGAIN_S = 300.0
_SOON_S = 2.0
_GROWING_S = 5.0

log = structlog.get_logger(__name__)

Manifest = dict[str, Any]


class ImageCopies(Protocol):
    """Brings the file of an image into a pool (`image.controller`)."""

    async def ensure_copy(self, image: Image, pool: PoolDir) -> None: ...


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
    claims: ClaimStore
    cluster_uid: str
    host: str


class VolumeController:
    """One for a process."""

    def __init__(self, tools: VolumeTools) -> None:
        self._tools = tools

    async def reconcile(self, key: str) -> float | None:
        """Bring the volume nearer; seconds until the next look.

        What goes wrong is reported first; then a TransientError or InvariantError is raised, for the backoff.
        """
        manifest = self._tools.volumes.get(key)
        if manifest is None:
            return None
        volume = Volume.model_validate(manifest)
        machines = map(VirtualMachine.model_validate, self._tools.machines.values())
        if not is_mine(volume, self._tools.host, machines):
            return None
        again_s = _LOOK_AGAIN_S
        error: QuantixError | None = None
        try:
            verdict = await self._advance(volume)
            if verdict.available and verdict.capacity_bytes < wanted_bytes(volume):
                # The VM that has it makes it larger: show that soon
                again_s = _GROWING_S
        except (QuantixError, OSError) as trouble:
            error = in_words(trouble, f"the data of volume {volume.metadata.name}")
            verdict = verdict_of_error(volume, error)
        status = derive_status(volume, verdict, self._tools.host, datetime.now(UTC))
        await report(self._tools.api, VOLUMES, manifest, status)
        return next_look_s(error, again_s)

    async def _advance(self, volume: Volume) -> VolumeVerdict:
        handle = volume.status.handle or volume.metadata.uid
        pool = await self._tools.pools.pool(volume.status.pool or volume.spec.pool)
        if volume.deleting:
            return await self._remove(pool, volume, handle)
        place = pool.place(handle)
        disk = await asyncio.to_thread(read_volume, place)
        if disk is None:
            if volume.status.data == "Present":
                name, host = volume.metadata.name, self._tools.host
                raise as_error(PermanentError, "DataMissing", volume=name, place=place.data, host=host)
            await self._make(pool, volume, handle)
            disk = await asyncio.to_thread(read_volume, place)
        capacity = disk.capacity_bytes if disk else 0
        granted = granted_bytes(volume, capacity)
        if disk is not None and capacity < granted and not belongs_to_vm(volume):
            await self._grow(pool, volume, handle, granted)
            disk = await asyncio.to_thread(read_volume, place)
            capacity = disk.capacity_bytes if disk else 0
        return present(
            volume, VolumeVerdict("Available", render("Available").text, handle, pool.name, capacity)
        )

    async def _make(self, pool: PoolDir, volume: Volume, handle: str) -> None:
        recipe = Recipe(
            handle=handle,
            size_bytes=wanted_bytes(volume),
            base=await self._base(pool, volume),
            full_copy=volume.spec.copy_mode == "Full",
        )
        await self._tools.maker.make(pool, recipe)
        log.info(
            "volume made",
            volume=volume.key,
            uid=volume.metadata.uid,
            pool=pool.name,
            size_bytes=recipe.final_size_bytes,
        )

    async def _base(self, pool: PoolDir, volume: Volume) -> Base | None:
        """The image to make it from, None for a blank one. Raises WaitingError until the image is here."""
        if volume.spec.source is None:
            return None
        key = image_key_of(volume)
        if key is None:
            raise as_error(PermanentError, "SourceNotFound", path="spec.source of this kind")
        manifest = self._tools.images.get(key)
        if manifest is None:
            raise as_wait("SourceNotFound", _SOON_S, kind="image", source=key)
        image = Image.model_validate(manifest)
        ready = image.status.condition("Ready")
        if ready is None or ready.status != "True" or image.status.format is None:
            raise wait_for_image(image, _SOON_S)
        await self._tools.copies.ensure_copy(image, pool)
        uid = image.metadata.uid
        driver = ImageFormat(image.status.format).driver
        if driver == "raw":
            length = await asyncio.to_thread(file_size_bytes, pool.path, "images", uid)
            return Base(uid, driver, length)
        disk = await asyncio.to_thread(read_disk_file, pool.path, "images", uid)
        return Base(uid, driver, disk.capacity_bytes if disk else 0)

    async def _grow(self, pool: PoolDir, volume: Volume, handle: str, to_bytes: int) -> None:
        place = pool.place(handle)
        claim = await self._take(place, volume)
        try:
            await self._tools.maker.grow(place, to_bytes)
            log.info("volume grown", volume=volume.key, uid=volume.metadata.uid, size_bytes=to_bytes)
        finally:
            holder = claim.holder
            freed = release(claim, self._tools.host, holder.epoch if holder else 0)
            await asyncio.to_thread(self._tools.claims.compare_and_set, place, claim, freed)

    async def _take(self, place: VolumePlace, volume: Volume) -> Claim:
        """The claim of a volume that no VM has, held under an epoch of its own. Raises WaitingError
        (InUse).
        """
        found = await asyncio.to_thread(self._tools.claims.read, place)
        if found is None:
            path = place.data.with_name("claim")
            raise as_error(TransientError, "DataDamaged", path=path, said="there is none")
        host, uid = self._tools.host, volume.metadata.uid
        if found.holder is not None and found.vm_uid == uid and found.holder.host == host:
            return found
        if found.holder is not None and found.cluster_uid == self._tools.cluster_uid:
            raise as_wait("InUse", _SOON_S, holder=found.holder.host)
        try:
            held = take(found, host, found.floor + 1, uid, self._tools.cluster_uid)
        except ClaimRefusedError as error:
            raise WaitingError("InUse", error.message, error.hint, retry_after_s=_SOON_S) from error
        await asyncio.to_thread(self._tools.claims.compare_and_set, place, found, held)
        return held

    async def _remove(self, pool: PoolDir, volume: Volume, handle: str) -> VolumeVerdict:
        if await asyncio.to_thread(pool.volume(handle).exists):
            place = pool.place(handle)
            if await asyncio.to_thread(self._tools.claims.read, place) is not None:
                await self._take(place, volume)
            await asyncio.to_thread(remove_volume, pool, handle)
            log.info("volume removed", volume=volume.key, uid=volume.metadata.uid, pool=pool.name)
        return VolumeVerdict("Deleting", render("Deleting", what="its data is gone").text, handle, pool.name)
