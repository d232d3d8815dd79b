"""Whether the pools may promise what a VM's disks still want. Called by the VM controller's observe.

Reads the cache only. The disks are looked at in their order, each with what those before it would take.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from quantix_api import StoragePool, VirtualMachine, Volume, VolumeSource
from quantix_api.quantities import size_bytes
from quantix_operator.objects import Objects
from quantix_operator.storagepool.promises import full_fields, source_bytes, taken_bytes, volume_bytes
from quantix_operator.virtualmachine.volume_model import DiskWish, Missing, VolumeView
from quantix_operator.virtualmachine.volume_plan import growth_bytes


@dataclass(frozen=True)
class NoRoom:
    """By disk: Volumes that are not made, and those that do not grow."""

    new: Mapping[str, Missing] = field(default_factory=dict)
    growths: Mapping[str, Missing] = field(default_factory=dict)


def lacking_room(
    objects: Objects, vm: VirtualMachine, disks: Sequence[DiskWish], volumes: Mapping[str, VolumeView]
) -> NoRoom:
    """The disks that their pools have no room for."""
    wishes = [
        (disk, volumes.get(disk.wanted_name), wanted)
        for disk in disks
        if not disk.volume and (wanted := _wanted_bytes(objects, vm, disk, volumes)) > 0
    ]
    refused = dict(_refused(objects, wishes))
    existing = {disk.name for disk, volume, _ in wishes if volume is not None}
    return NoRoom(
        {name: lack for name, lack in refused.items() if name not in existing},
        {name: lack for name, lack in refused.items() if name in existing},
    )


def _refused(
    objects: Objects, wishes: Sequence[tuple[DiskWish, VolumeView | None, int]]
) -> Iterator[tuple[str, Missing]]:
    given: Counter[str] = Counter()
    for disk, volume, wanted in wishes:
        name = (volume.pool or str(volume.spec.get("pool") or "") if volume else "") or disk.pool
        pool = objects.get(StoragePool, name) if name else objects.default_pool()
        if pool is None:
            continue
        taken = taken_bytes(objects, pool.metadata.name) + given[pool.metadata.name]
        fields = full_fields(pool, taken, wanted)
        if fields is None:
            given[pool.metadata.name] += wanted
        else:
            yield disk.name, Missing(disk.name, "PoolFull", fields)


def _wanted_bytes(
    objects: Objects, vm: VirtualMachine, disk: DiskWish, volumes: Mapping[str, VolumeView]
) -> int:
    volume = volumes.get(disk.wanted_name)
    if volume is not None:
        found = objects.get(Volume, f"{vm.metadata.namespace}/{volume.name}")
        has = volume_bytes(objects, found) if found is not None else 0
        return min(growth_bytes(disk, volume), max(size_bytes(disk.size) - has, 0)) if disk.size else 0
    source = VolumeSource.model_validate(disk.source or {})
    asked = size_bytes(disk.size) if disk.size else 0
    # it is no smaller than what it is made from
    return max(asked, source_bytes(objects, vm.metadata.namespace or "", source))
