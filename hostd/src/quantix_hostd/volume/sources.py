"""What a volume is made from, as this host finds it: an image's file in the pool, or another volume.

Called by the volume controller's look. It changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quantix_api import Image, VirtualMachineSnapshot, Volume
from quantix_api.disk_image import ImageFormat
from quantix_api.messages import as_wait
from quantix_api.references import admits
from quantix_api.resources import ANNOTATION_VIRTUAL_MACHINE, LABEL_VIRTUAL_MACHINE_UID
from quantix_client.reading import model_of
from quantix_hostd.by_uid import ByUid
from quantix_hostd.claims import Claim, ClaimStore
from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.facts.copies import CopyProgress
from quantix_hostd.pools import HostPools
from quantix_hostd.snapshot_place import place_of_disk
from quantix_hostd.volume.disk_header import file_size_bytes, read_disk_file
from quantix_hostd.volume.partners import ImageCopies
from quantix_hostd.volume.recipe import Base, Origin
from quantix_hostd.volume.storage import StorageByKind
from quantix_hostd.volume.wanted import image_key_of, source_snapshot_key_of, source_volume_key_of

_LOOK_S = 5.0

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Sources:
    """The mappings are caches."""

    volumes: Mapping[str, Manifest]
    images: Mapping[str, Manifest]
    snapshots: Mapping[str, Manifest]
    machines: ByUid
    namespaces: Mapping[str, Manifest]
    pools: HostPools
    claims: ClaimStore
    storage: StorageByKind

    def image(self, volume: Volume) -> Image | None:
        """The image that it is made from, None for none, and for one that is not there or that its namespace
        may not use.
        """
        manifest = self.images.get(image_key_of(volume) or "")
        image = None if manifest is None else model_of(Image, manifest)
        known = self.namespaces.get(volume.metadata.namespace or "")
        return image if image and admits(image.spec.allowed_namespaces, known) else None

    def progress(self, volume: Volume, copies: ImageCopies) -> CopyProgress | None:
        """How far the image has come that it is made from; None where that does not come now."""
        image = self.image(volume) if volume.status.data != "Present" else None
        return copies.progress(image) if image is not None else None

    def check_pool(self, volume: Volume) -> None:
        """Raises WaitingError (PoolNotFound) where it may not be made: its namespace may not use that pool.

        The operator judges so before it lets a volume in, but its spec may have been changed since.
        """
        pool = self.pools.find(volume.status.pool or volume.spec.pool)
        if not admits(pool.spec.allowed_namespaces, self.namespaces.get(volume.metadata.namespace or "")):
            raise as_wait("PoolNotFound", _LOOK_S, pool=pool.metadata.name, path="spec.pool")

    async def base(self, pool: Pool, image: Image) -> Base | None:
        """The image's file in the pool, None while it is not there or not known what it is."""
        return await asyncio.to_thread(_base, pool, image)

    def volume(self, volume: Volume) -> Volume | None:
        """The volume that it is made from, None for none, or one that is not there."""
        manifest = self.volumes.get(source_volume_key_of(volume) or "")
        return None if manifest is None else model_of(Volume, manifest)

    def snapshot(self, volume: Volume) -> VirtualMachineSnapshot | None:
        """The snapshot that it is made from a disk of, None for none, or one that is not there."""
        manifest = self.snapshots.get(source_snapshot_key_of(volume) or "")
        return None if manifest is None else model_of(VirtualMachineSnapshot, manifest)

    async def kept(self, snapshot: VirtualMachineSnapshot, disk: str) -> Origin | None:
        """What a snapshot keeps of a disk, None for what is not there.

        Raises QuantixError while its pool is away or its data is damaged.
        """
        found = next((item for item in snapshot.status.disks if item.name == disk), None)
        if found is None or snapshot.status.phase != "Ready" or not (found.pool and found.volume_uid):
            return None
        pool = await self.pools.pool(found.pool)
        place = place_of_disk(pool, snapshot.metadata.uid, disk, found.volume_uid)
        kept = await asyncio.to_thread(self.storage.read, place)
        if kept is None:
            return None
        about = (kept.capacity_bytes, kept.image_uid, kept.backing_driver, kept.encrypted)
        return Origin(snapshot.key, place.handle, place, *about)

    async def origin(self, source: Volume) -> tuple[Origin | None, Claim | None]:
        """The data of a volume of this host with its claim, None for what is not there.

        Raises QuantixError while its pool is away or its data is damaged.
        """
        status = source.status
        if not status.pool or not status.handle:
            return None, None
        pool = await self.pools.pool(status.pool)
        return await asyncio.to_thread(self._origin, pool, source, status.handle)

    def user(self, claim: Claim | None, source: Volume | None) -> str:
        """The name of the VM that holds the claim of the source, "" for none that is known here."""
        if claim is None or claim.holder is None or source is None:
            return ""
        if found := self.machines.get(claim.vm_uid):
            return str(found["metadata"]["name"])
        # in Ceph it may run on another host
        users = {item.uid: item.name for item in source.status.attached_to}
        if owner := source.metadata.labels.get(LABEL_VIRTUAL_MACHINE_UID):
            users[owner] = source.metadata.annotations.get(ANNOTATION_VIRTUAL_MACHINE, "")
        return users.get(claim.vm_uid, "")

    def _origin(self, pool: Pool, source: Volume, handle: str) -> tuple[Origin | None, Claim | None]:
        place = pool.place(handle)
        disk = self.storage.read(place)
        if disk is None:
            return None, None
        origin = Origin(
            source.key,
            source.metadata.uid,
            place,
            disk.capacity_bytes,
            disk.image_uid,
            disk.backing_driver,
            disk.encrypted,
        )
        return origin, self.claims.read(place)


def _base(pool: Pool, image: Image) -> Base | None:
    uid, found_format = image.metadata.uid, image.status.format
    if isinstance(pool, PoolRbd):
        size_bytes = pool.image_bytes(uid) if found_format is not None else None
        return Base(uid, "raw", size_bytes) if size_bytes is not None else None
    if found_format is None or not pool.image(uid).exists():
        return None
    driver = ImageFormat(found_format).driver
    if driver == "raw":
        return Base(uid, driver, file_size_bytes(pool.path, "images", uid))
    disk = read_disk_file(pool.path, "images", uid)
    return Base(uid, driver, disk.capacity_bytes) if disk else None
