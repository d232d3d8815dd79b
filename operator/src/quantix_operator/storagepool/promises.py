"""How much of a pool is promised, and whether more may be.

Called by the controllers of pools, VMs and Volumes. Reads the cache only. A promise is the size that a guest
may fill, not what the data takes now.
"""

from __future__ import annotations

from quantix_api import Image, StoragePool, Volume
from quantix_api.quantities import human_size, size_bytes
from quantix_api.resources import LABEL_VIRTUAL_MACHINE_UID
from quantix_operator.objects import Objects


def lacking_room(capacity_bytes: int | None, percent: int, promised_bytes: int, wanted_bytes: int) -> bool:
    """Whether `wanted_bytes` more than `promised_bytes` is beyond `percent` of the pool.

    A capacity that no host told yet (None) refuses nothing, and neither does a wish for nothing.
    """
    if capacity_bytes is None or wanted_bytes <= 0:
        return False
    return promised_bytes + wanted_bytes > capacity_bytes * percent // 100


def full_fields(pool: StoragePool, promised_bytes: int, wanted_bytes: int) -> dict[str, str] | None:
    """The fields of PoolFull when the pool must not promise `wanted_bytes` more, None when it may."""
    capacity = size_bytes(pool.status.capacity) if pool.status.capacity else None
    percent = pool.spec.overcommit_percent
    if capacity is None or not lacking_room(capacity, percent, promised_bytes, wanted_bytes):
        return None
    left = max(capacity * percent // 100 - promised_bytes, 0)
    return {"pool": pool.metadata.name, "available": human_size(left), "wanted": human_size(wanted_bytes)}


def volumes_in(objects: Objects, pool: str) -> list[Volume]:
    """The Volumes that are, or are to be, in the pool."""
    default = objects.default_pool()
    fallback = default.metadata.name if default else ""
    return [item for item in objects.list(Volume) if (item.status.pool or item.spec.pool or fallback) == pool]


def promised_bytes(objects: Objects, volumes: list[Volume]) -> int:
    """What these Volumes may take."""
    return sum(volume_bytes(objects, volume) for volume in volumes)


def taken_bytes(objects: Objects, pool: str, *, but: str = "") -> int:
    """What is promised to Volumes that were let into the pool; the one with UID `but` is not counted."""
    return promised_bytes(
        objects,
        [item for item in volumes_in(objects, pool) if let_in(item) and item.metadata.uid != but],
    )


def let_in(volume: Volume) -> bool:
    """Whether it was promised its room: made for a VM, given to one, placed, or there already."""
    status = volume.status
    made = LABEL_VIRTUAL_MACHINE_UID in volume.metadata.labels
    return made or bool(status.attached_to) or bool(status.host) or status.data == "Present"


def lacking_growth(objects: Objects, pool: StoragePool, volume: Volume) -> dict[str, str] | None:
    """The fields of PoolFull when the pool must not promise what the Volume wants to grow by."""
    taken = taken_bytes(objects, pool.metadata.name)
    return full_fields(pool, taken, growth_wish_bytes(volume))


def growth_wish_bytes(volume: Volume) -> int:
    """By how much spec wants its data to grow, where that is not promised yet; 0 for not at all.

    A Volume of a VM is asked for by the disk: what stands in its spec was promised before (`room`).
    """
    status = volume.status
    if (
        LABEL_VIRTUAL_MACHINE_UID in volume.metadata.labels
        or status.data != "Present"
        or size_granted(volume)
    ):
        return 0
    if volume.spec.size is None or status.capacity is None:
        return 0
    return max(size_bytes(volume.spec.size) - size_bytes(status.capacity), 0)


def size_granted(volume: Volume) -> bool:
    """Whether the size that spec names now was promised: a promise stays one."""
    said = volume.status.condition("SizeGranted")
    current = said is not None and said.observed_generation == volume.metadata.generation
    return current and said is not None and said.status == "True"


def volume_bytes(objects: Objects, volume: Volume) -> int:
    """What was promised to it: its size as asked for or as it is, whichever is more; before it has any, that
    of its image. A size that waits for room to grow takes none from others.
    """
    wanted = None if growth_wish_bytes(volume) else volume.spec.size
    sizes = [size_bytes(size) for size in (wanted, volume.status.capacity) if size]
    if sizes:
        return max(sizes)
    source = volume.spec.source
    return image_bytes(objects, source.image if source else None, volume.metadata.namespace or "")


def image_bytes(objects: Objects, image: str | None, namespace: str) -> int:
    """The size of the disk that an image describes; 0 while it is not known."""
    found = objects.referred(Image, image, namespace) if image else None
    return size_bytes(found.status.virtual_size) if found is not None and found.status.virtual_size else 0
