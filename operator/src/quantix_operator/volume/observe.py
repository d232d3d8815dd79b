"""Looks at a Volume and at what decides about it. Reads the cache only; called by the volume controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quantix_api import Host, Image, SchedulingPolicy, StoragePool, VirtualMachine, Volume
from quantix_api.quantities import size_bytes
from quantix_api.resources import LABEL_VIRTUAL_MACHINE_UID
from quantix_api.seniority import age_order
from quantix_operator.indexers import volumes_attached, volumes_open
from quantix_operator.objects import Objects
from quantix_operator.scheduling.host_reading import lost_since, view_of
from quantix_operator.scheduling.observe import is_absent
from quantix_operator.scheduling.storage_host import storage_host
from quantix_operator.staying import staying_fact
from quantix_operator.storagepool.named import pool_of
from quantix_operator.storagepool.promises import (
    full_fields,
    growth_wish_bytes,
    lacking_growth,
    let_in,
    size_granted,
    taken_bytes,
    volume_bytes,
)
from quantix_operator.volume.observe_move import is_at_rest, observe_move
from quantix_operator.volume.plan import Claimant, Observed
from quantix_operator.volume.wishes import Growth
from quantix_operator.volumedata.collected import is_going
from quantix_operator.volumedata.kept import Kept, Lack, kept_for
from quantix_operator.volumedata.origin import is_made, source_volume, unmade
from quantix_operator.volumedata.right import (
    host_of_owners,
    in_shared_pool,
    is_denied,
    is_open_in,
    owners_of,
)


def observe(objects: Objects, volume: Volume) -> Observed:
    """The snapshot that `plan_volume` decides on."""
    namespace = volume.metadata.namespace or ""
    pool = pool_of(objects, volume.spec.pool, namespace)
    pool_name = pool.metadata.name if pool else ""
    host = objects.get(Host, volume.status.host) if volume.status.host else None
    owners = owners_of(objects, volume)
    host_lost = lost_since(host) if volume.status.host else ""
    guest_host = _guest_host(objects, volume, owners)
    return Observed(
        volume=volume,
        denied=not guest_host and is_denied(objects, volume),
        assigned_host=host_of_owners(owners),
        owners=tuple(vm.metadata.name for vm in owners),
        growth=_growth(objects, volume, pool_of(objects, volume.status.pool, namespace) or pool),
        move=observe_move(objects, volume, owners),
        stranded=_stranded(owners),
        off=_off(owners),
        claimants=tuple(_claimants(objects, volume)),
        pool=pool_name,
        pool_is_shared=pool is not None and pool.spec.rbd is not None,
        place=_place(objects, volume, pool_name),
        missing_source=_missing_source(objects, volume),
        unmade_source=_unmade_source(objects, volume),
        lost_source=_lost_source(objects, volume),
        host_lost=host_lost,
        successor=guest_host or (_successor(objects, volume, owners, pool_name) if host_lost else ""),
        made_for_vm=LABEL_VIRTUAL_MACHINE_UID in volume.metadata.labels,
        no_room=_no_room(objects, volume, pool),
        readable_copy=_readable_copy(objects, volume),
        going=is_going(objects, volume),
        staying=staying_fact(objects, volume),
    )


def _guest_host(objects: Objects, volume: Volume, owners: Sequence[VirtualMachine]) -> str:
    """The host whose guest has a Volume of a shared pool open, where another host acts on it; "" for none. A
    VM that moves is handed on by its migration.
    """
    if volume.deleting or not volume.status.host or not in_shared_pool(objects, volume):
        return ""
    having = [vm for vm in owners if vm.status.migration is None and is_open_in(volume, vm)]
    host = host_of_owners(having)
    return host if host != volume.status.host else ""


def _successor(objects: Objects, volume: Volume, owners: Sequence[VirtualMachine], pool: str) -> str:
    """Of a Volume whose host is silent another that does what is to be done with it, "" for none: every host
    reaches its pool, no VM that has it has a host, and it is not on its way to another pool. What the silent
    host still does is done under the claim, which it frees once it is back (docs/adr/0058).
    """
    status = volume.status
    if not in_shared_pool(objects, volume) or host_of_owners(owners):
        return ""
    if status.data != "Present":
        return _place(objects, volume, pool) if _can_be_made_elsewhere(objects, volume) else ""
    rests = is_at_rest(volume, owners) and not status.moving_to
    return place_in(objects, status.pool or "") if rests and _has_work(volume) else ""


def _has_work(volume: Volume) -> bool:
    """Whether it is to go, or to grow without the VM that has it: for anything else it needs no host."""
    if volume.deleting or LABEL_VIRTUAL_MACHINE_UID in volume.metadata.labels or volume.status.attached_to:
        return volume.deleting
    size, there = volume.spec.size, volume.status.capacity
    grows = size is not None and there is not None and size_bytes(there) < size_bytes(size)
    return grows and size_granted(volume)


def _can_be_made_elsewhere(objects: Objects, volume: Volume) -> bool:
    """Whether all that it is made from is in the reach of several hosts. What was begun of one that is
    deleted its host alone takes away, and a VM's is made by the host of that VM.
    """
    if volume.deleting or LABEL_VIRTUAL_MACHINE_UID in volume.metadata.labels:
        return False
    source = volume.spec.source
    if source is None or source.image is not None:
        return True
    return _pool_of_source(objects, volume) != ""


def _pool_of_source(objects: Objects, volume: Volume) -> str:
    """The shared pool that holds the data which it is copied from, "" where that is with one host alone, or
    there is none.
    """
    kept, origin = kept_for(objects, volume), source_volume(objects, volume)
    if isinstance(kept, Kept):
        return "" if kept.host else kept.disk.pool or ""
    return origin.status.pool or "" if origin is not None and in_shared_pool(objects, origin) else ""


def _stranded(owners: Sequence[VirtualMachine]) -> str:
    """A VM that has the Volume and that the scheduler has given no host, "" for none."""
    waiting = (vm for vm in owners if vm.spec.power_state != "Stopped" and _is_unplaced(vm))
    return next((vm.metadata.name for vm in waiting), "")


def _off(owners: Sequence[VirtualMachine]) -> str:
    """A VM that has the Volume and is to be off, before it has had a host; "" for none."""
    waiting = (vm for vm in owners if vm.spec.power_state == "Stopped" and not _has_host(vm))
    return next((vm.metadata.name for vm in waiting), "")


def _has_host(vm: VirtualMachine) -> bool:
    return vm.status.assignment is not None and bool(vm.status.assignment.host)


def _is_unplaced(vm: VirtualMachine) -> bool:
    scheduled = vm.status.condition("Scheduled")
    # Unknown while it waits for other VMs: then no host was looked for yet
    return scheduled is not None and scheduled.status != "True" and not _has_host(vm)


def _no_room(objects: Objects, volume: Volume, pool: StoragePool | None) -> dict[str, str] | None:
    """What is promised already stays promised."""
    if pool is None or let_in(volume) or volume.deleting:
        return None
    taken = taken_bytes(objects, pool.metadata.name)
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


def place_in(objects: Objects, pool: str, preferred: str = "", source_pool: str = "") -> str:
    """The host that acts on data of the pool, and reaches the other one if that is named; "" for none."""
    pools, policy = objects.list(StoragePool), objects.get(SchedulingPolicy, "default")
    hosts = [view_of(host, pools, policy) for host in objects.list(Host)]
    reaching = [host for host in hosts if not source_pool or source_pool in host.pools]
    return storage_host(pool, reaching, preferred) or ""


def _claimants(objects: Objects, volume: Volume) -> list[Claimant]:
    """VMs that name it, and those that still have it open although it left their spec."""
    found = []
    attached = {attachment.uid for attachment in volume.status.attached_to}
    namespace, name = volume.metadata.namespace, volume.metadata.name
    naming = objects.by(VirtualMachine, volumes_attached, f"{namespace}/{name}")
    holding = objects.by(VirtualMachine, volumes_open, volume.metadata.uid)
    candidates = {vm.metadata.uid: vm for vm in (*naming, *holding) if vm.metadata.namespace == namespace}
    for vm in candidates.values():
        named = any(disk.volume == volume.metadata.name for disk in vm.spec.disks)
        still_open = vm.metadata.uid in attached and any(
            disk.volume_uid == volume.metadata.uid for disk in vm.status.runtime.disks
        )
        if named or still_open:
            gone = vm.deleting and is_absent(vm)
            found.append(Claimant(vm.metadata.uid, vm.metadata.name, age_order(vm), gone))
    return found


def _place(objects: Objects, volume: Volume, pool: str) -> str:
    """The host that would make it, "" for none: where the one host is that has what it is copied from, or,
    of what several reach, by preference where its source is looked after.
    """
    if not pool:
        return ""
    kept, origin = kept_for(objects, volume), source_volume(objects, volume)
    source = origin or _source_image(objects, volume)
    host = kept.host if isinstance(kept, Kept) else (source.status.host or "") if source else ""
    shared = _pool_of_source(objects, volume)
    place = place_in(objects, pool, host, shared)
    tied = not shared and (origin is not None or (isinstance(kept, Kept) and bool(kept.host)))
    return place if place == host or not tied else ""


def _unmade_source(objects: Objects, volume: Volume) -> tuple[str, Mapping[str, str]] | None:
    kept = kept_for(objects, volume)
    if isinstance(kept, Lack):
        return kept.reason, kept.fields
    origin = source_volume(objects, volume)
    return unmade(objects, origin) if origin is not None and not is_made(objects, origin) else None


def _lost_source(objects: Objects, volume: Volume) -> dict[str, str] | None:
    """What is said of a copy while the host is silent that alone has what it is made from."""
    origin = source_volume(objects, volume)
    if origin is None or not origin.status.host or in_shared_pool(objects, origin):
        return None
    at = lost_since(objects.get(Host, origin.status.host))
    return {"source": origin.metadata.name, "keeper": origin.status.host, "at": at} if at else None


def _readable_copy(objects: Objects, volume: Volume) -> dict[str, str] | None:
    """What of a copy is refused that would hold in the clear what its source keeps encrypted."""
    kept = kept_for(objects, volume)
    if isinstance(kept, Kept) and kept.disk.encrypted and volume.spec.encryption is None:
        source = volume.spec.source
        of = source.snapshot.name if source is not None and source.snapshot is not None else ""
        encrypted = kept.disk.volume or kept.disk.name
        return {"encrypted": encrypted, "copy": volume.metadata.name, "snapshot": of}
    origin = source_volume(objects, volume) if volume.spec.encryption is None else None
    if origin is None or origin.spec.encryption is None:
        return None
    secret = origin.spec.encryption.secret_ref.name
    return {"encrypted": origin.metadata.name, "copy": volume.metadata.name, "secret": secret}


def _source_image(objects: Objects, volume: Volume) -> Image | None:
    source = volume.spec.source
    if source is None or source.image is None:
        return None
    return objects.referred(Image, source.image, volume.metadata.namespace or "")


def _missing_source(objects: Objects, volume: Volume) -> tuple[str, str] | None:
    source = volume.spec.source
    if source is None or source.upload is not None or source.snapshot is not None:
        return None
    if source.image is not None:
        return None if _source_image(objects, volume) else ("image", source.image)
    if source.volume is not None and source_volume(objects, volume) is None:
        return "volume", source.volume
    return None
