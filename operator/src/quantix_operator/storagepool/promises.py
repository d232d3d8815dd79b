"""How much of a pool is promised, and whether more may be.

Called by the controllers of pools, VMs and Volumes. Reads the cache only. A promise is the size that a guest
may fill, not what the data takes now.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from quantix_api import Image, StoragePool, Volume, VolumeSource
from quantix_api.quantities import human_size, human_sizes, size_bytes
from quantix_api.resources import LABEL_VIRTUAL_MACHINE_UID
from quantix_client.api import Manifest
from quantix_operator.objects import Objects
from quantix_operator.volumedata.kept import Kept, kept_disk

# where a Volume names no pool
_DEFAULT = ""


class _Sort(Enum):
    """What is summed up, for each pool."""

    VOLUMES = auto()
    PROMISED = auto()


def lacking_room(capacity_bytes: int | None, percent: int, promised_bytes: int, wanted_bytes: int) -> bool:
    """Whether `wanted_bytes` more than `promised_bytes` is beyond `percent` of the pool.

    A capacity that no host told yet (None) refuses nothing, and neither does a wish for nothing.
    """
    if capacity_bytes is None or wanted_bytes <= 0:
        return False
    return promised_bytes + wanted_bytes > capacity_bytes * percent // 100


def fills_up(free_bytes: int, capacity_bytes: int) -> bool:
    """Whether more than 85 % of it is in use: it is to be told."""
    return free_bytes * 100 < capacity_bytes * 15


def is_full(free_bytes: int, capacity_bytes: int) -> bool:
    """Whether more than 95 % of it is in use: what is left is for the disks that are there."""
    return free_bytes * 100 < capacity_bytes * 5


def full_fields(pool: StoragePool, promised_bytes: int, wanted_bytes: int) -> dict[str, str] | None:
    """The fields of PoolFull when the pool must not promise `wanted_bytes` more, None when it may.

    What is nearly full takes nothing new, whatever it may promise: else thin disks fill it together.
    """
    capacity = size_bytes(pool.status.capacity) if pool.status.capacity else None
    percent = pool.spec.overcommit_percent
    free = size_bytes(pool.status.available) if pool.status.available else None
    if capacity and free is not None and wanted_bytes > 0 and is_full(free, capacity):
        return {"pool": pool.metadata.name, "free": human_size(free), "wanted": human_size(wanted_bytes)}
    if capacity is None or not lacking_room(capacity, percent, promised_bytes, wanted_bytes):
        return None
    left = max(capacity * percent // 100 - promised_bytes, 0)
    wanted, available = human_sizes(wanted_bytes, left)
    return {"pool": pool.metadata.name, "available": available, "wanted": wanted}


@dataclass(frozen=True)
class InPool:
    """The Volumes that are, or are to be, in a pool, and what those may take that were let in; one that moves
    is in both pools.
    """

    volumes: int
    promised_bytes: int


def in_pool(objects: Objects, pool: str) -> InPool:
    """Of the pool with this name."""
    default = objects.default_pool()
    names = (pool, _DEFAULT) if default is not None and default.metadata.name == pool else (pool,)
    sums = [[objects.total(Volume, _amounts, (sort, name)) for name in names] for sort in _Sort]
    volumes, promised = map(sum, sums)
    unmade = [item for name in names for item in objects.by(Volume, _unmade_in, name)]
    return InPool(volumes, promised + sum(volume_bytes(objects, item) for item in unmade if let_in(item)))


def taken_bytes(objects: Objects, pool: str) -> int:
    """What is promised to Volumes that were let into the pool."""
    return in_pool(objects, pool).promised_bytes


def _amounts(volume: Volume) -> Mapping[Hashable, int]:
    """By sort and pool, what the Volume counts with: no bytes while its source tells them (`_unmade_in`)."""
    status = volume.status
    pools = {status.pool or volume.spec.pool or _DEFAULT, *filter(None, (status.moving_to,))}
    own = _own_bytes(volume) if status.capacity or volume.spec.source is None else 0
    sorts = zip(_Sort, (1, own if let_in(volume) else 0), strict=True)
    return {(sort, pool): amount for sort, amount in sorts for pool in pools}


def _unmade_in(volume: Manifest) -> Iterable[str]:
    """The pools of a Volume that is not made yet, and of which what it is made from tells the size."""
    spec, status = volume.get("spec") or {}, volume.get("status") or {}
    if status.get("capacity") or not spec.get("source"):
        return ()
    pool = str(status.get("pool") or spec.get("pool") or _DEFAULT)
    return {pool, *filter(None, (status.get("movingTo"),))}


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
    """What was promised to it: its size as asked for or as it is, whichever is more. Before it has any, it is
    no smaller than what it is made from, whatever it asks for. A size that waits for room to grow takes none
    from others.
    """
    known, source = objects.once(volume, _own_bytes), volume.spec.source
    if volume.status.capacity or source is None:
        return known
    return max(known, source_bytes(objects, volume.metadata.namespace or "", source))


def _own_bytes(volume: Volume) -> int:
    """What the Volume itself tells of its size, 0 for nothing."""
    wanted = None if growth_wish_bytes(volume) else volume.spec.size
    return max((size_bytes(size) for size in (wanted, volume.status.capacity) if size), default=0)


def source_bytes(objects: Objects, namespace: str, source: VolumeSource) -> int:
    """The size of the image, volume or snapshot of which a disk is made; 0 for none, or while it is not
    known.
    """
    if source.volume is not None:
        origin = objects.get(Volume, f"{namespace}/{source.volume}")
        capacity = origin.status.capacity if origin is not None else None
        return size_bytes(capacity) if capacity else 0
    kept = kept_disk(objects, namespace, source.snapshot)
    if isinstance(kept, Kept):
        return size_bytes(kept.disk.size) if kept.disk.size else 0
    return image_bytes(objects, source.image, namespace)


def image_bytes(objects: Objects, image: str | None, namespace: str) -> int:
    """The size of the disk that an image describes; 0 while it is not known."""
    found = objects.referred(Image, image, namespace) if image else None
    return size_bytes(found.status.virtual_size) if found is not None and found.status.virtual_size else 0
