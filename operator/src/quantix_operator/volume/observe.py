"""Looks at a Volume and at what decides about it. Reads the cache only; called by the volume controller."""

from __future__ import annotations

from collections.abc import Sequence

from quantix_api import Host, Image, SchedulingPolicy, StoragePool, VirtualMachine, Volume
from quantix_api.quantities import size_bytes
from quantix_api.resources import LABEL_VIRTUAL_MACHINE_UID
from quantix_api.seniority import age_order
from quantix_operator.host import reading
from quantix_operator.objects import Objects
from quantix_operator.scheduling.observe import view_of
from quantix_operator.scheduling.storage_host import storage_host
from quantix_operator.storagepool.promises import (
    full_fields,
    growth_wish_bytes,
    lacking_growth,
    let_in,
    size_granted,
    taken_bytes,
    volume_bytes,
)
from quantix_operator.virtualmachine.deletion import is_absent
from quantix_operator.volume.plan import Claimant, Growth, Observed
from quantix_operator.volume.right import is_denied, owners_of, seat_of


def observe(objects: Objects, volume: Volume) -> Observed:
    """The snapshot that `plan_volume` decides on."""
    pool = pool_of(objects, volume.spec.pool, volume.metadata.namespace or "")
    pool_name = pool.metadata.name if pool else ""
    source = _source_image(objects, volume)
    preferred = source.status.host if source is not None and source.status.host else ""
    host = objects.get(Host, volume.status.host) if volume.status.host else None
    owners = owners_of(objects, volume)
    return Observed(
        volume=volume,
        denied=is_denied(objects, volume),
        seat=seat_of(owners),
        owners=tuple(vm.metadata.name for vm in owners),
        growth=_growth(objects, volume, pool),
        stranded=_stranded(owners),
        claimants=tuple(_claimants(objects, volume)),
        pool=pool_name,
        pool_is_shared=pool is not None and pool.spec.rbd is not None,
        place=place_in(objects, pool_name, preferred) if pool_name else "",
        missing_source=_missing_source(objects, volume),
        host_lost=bool(volume.status.host) and (host is None or reading.lost(host)),
        made_for_vm=LABEL_VIRTUAL_MACHINE_UID in volume.metadata.labels,
        no_room=_no_room(objects, volume, pool),
    )


def _stranded(owners: Sequence[VirtualMachine]) -> str:
    """A VM that has the Volume and that the scheduler found no host for, "" for none."""
    waiting = (vm for vm in owners if vm.spec.power_state != "Stopped" and _is_unplaced(vm))
    return next((vm.metadata.name for vm in waiting), "")


def _is_unplaced(vm: VirtualMachine) -> bool:
    scheduled, assignment = vm.status.condition("Scheduled"), vm.status.assignment
    refused = scheduled is not None and scheduled.status == "False"
    return refused and (assignment is None or not assignment.host)


def _no_room(objects: Objects, volume: Volume, pool: StoragePool | None) -> dict[str, str] | None:
    """What is promised already stays promised."""
    if pool is None or let_in(volume) or volume.deleting:
        return None
    taken = taken_bytes(objects, pool.metadata.name, but=volume.metadata.uid)
    return full_fields(pool, taken, volume_bytes(objects, volume))


def _growth(objects: Objects, volume: Volume, pool: StoragePool | None) -> Growth | None:
    """A promise that was made is said until the data has grown."""
    size = volume.spec.size
    if pool is None or size is None or volume.deleting:
        return None
    if growth_wish_bytes(volume) > 0:
        return Growth(size, lacking_growth(objects, pool, volume))
    grown = volume.status.capacity is not None and size_bytes(volume.status.capacity) >= size_bytes(size)
    return Growth(size) if size_granted(volume) and not grown else None


def pool_of(objects: Objects, named: str | None, namespace: str) -> StoragePool | None:
    """The pool that is named, or the default one, if this namespace may use it."""
    pool = objects.get(StoragePool, named) if named else objects.default_pool()
    if pool is None or pool.deleting or not objects.allows(pool.spec.allowed_namespaces, namespace):
        return None
    return pool


def place_in(objects: Objects, pool: str, preferred: str = "") -> str:
    """The host that acts on data of the pool, "" when none can."""
    pools, policy = objects.list(StoragePool), objects.get(SchedulingPolicy, "default")
    hosts = [view_of(host, pools, policy) for host in objects.list(Host)]
    return storage_host(pool, hosts, preferred) or ""


def _claimants(objects: Objects, volume: Volume) -> list[Claimant]:
    """VMs that name it, and those that still have it open although it left their spec."""
    found = []
    attached = {attachment.uid for attachment in volume.status.attached_to}
    for vm in objects.list(VirtualMachine, volume.metadata.namespace):
        named = any(disk.volume == volume.metadata.name for disk in vm.spec.disks)
        still_open = vm.metadata.uid in attached and any(
            disk.volume_uid == volume.metadata.uid for disk in vm.status.runtime.disks
        )
        if named or still_open:
            gone = vm.deleting and is_absent(vm)
            found.append(Claimant(vm.metadata.uid, vm.metadata.name, age_order(vm), gone))
    return found


def _source_image(objects: Objects, volume: Volume) -> Image | None:
    source = volume.spec.source
    if source is None or source.image is None:
        return None
    return objects.referred(Image, source.image, volume.metadata.namespace or "")


def _missing_source(objects: Objects, volume: Volume) -> tuple[str, str] | None:
    source = volume.spec.source
    if source is None or source.upload is not None:
        return None
    if source.image is not None:
        return None if _source_image(objects, volume) else ("image", source.image)
    if source.volume is not None:
        other = objects.get(Volume, f"{volume.metadata.namespace}/{source.volume}")
        return None if other is not None and not other.deleting else ("volume", source.volume)
    return ("snapshot", source.snapshot.name) if source.snapshot is not None else None
