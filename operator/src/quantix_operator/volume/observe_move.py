"""Looks at whether the data of a Volume may go to the pool that spec wants it in, and which host brings it
there. Reads the cache only; called by `observe`.

Data in a directory goes with the host that has it. Data in Ceph is in the reach of several: the host of its
VM brings it, whose QEMU may have it open, and which has to have what goes into a directory. That host is
named before room is promised, so that one host alone ever acts (docs/adr/0054).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from quantix_api import Host, SchedulingPolicy, StoragePool, VirtualMachine, Volume, volume_name
from quantix_api.message_text import cause_of
from quantix_api.resources import ANNOTATION_VIRTUAL_MACHINE, LABEL_VIRTUAL_MACHINE_UID
from quantix_operator.objects import Objects
from quantix_operator.scheduling.host_reading import lost_since, view_of
from quantix_operator.scheduling.model import HostView
from quantix_operator.scheduling.reached import pins
from quantix_operator.scheduling.running import is_on
from quantix_operator.scheduling.storage_host import storage_host
from quantix_operator.storagepool.named import pool_of
from quantix_operator.storagepool.promises import full_fields, taken_bytes, volume_bytes
from quantix_operator.storagepool.unreached import THE_CLUSTER
from quantix_operator.vmwork.observe import snapshot_under_way
from quantix_operator.volume.wishes import WantedMove
from quantix_operator.volumedata.right import host_of_owners, in_shared_pool


def observe_move(objects: Objects, volume: Volume, owners: Sequence[VirtualMachine]) -> WantedMove | None:
    """What decides whether its data may go where spec wants it; None where it is there, or where nothing is
    known yet. `owners`: the VMs that have it.
    """
    status, wanted, name = volume.status, volume.spec.pool, volume.metadata.name
    if status.data != "Present" or not status.pool or wanted in (None, status.pool) or volume.deleting:
        return None
    pool = pool_of(objects, wanted, volume.metadata.namespace or "")
    if pool is None:
        return WantedMove(str(wanted), name, _pool_path(volume), is_there=False)
    seen = WantedMove(pool.metadata.name, name, promised=status.moving_to == pool.metadata.name)
    own = status.host or ""
    if not in_shared_pool(objects, volume):
        return _with_obstacles(objects, volume, owners, pool, own, seen)
    host = _bringer(objects, volume, owners, pool.metadata.name)
    at_another = host != own and not is_at_rest(volume, owners)
    keeper = own if at_another else host
    silent = lost_since(objects.get(Host, keeper)) if keeper else ""
    seen = replace(seen, bringer=host, at_another=at_another, keeper=keeper, silent_since=silent)
    return _with_obstacles(objects, volume, owners, pool, host, seen)


def _with_obstacles(
    objects: Objects,
    volume: Volume,
    owners: Sequence[VirtualMachine],
    pool: StoragePool,
    host: str,
    seen: WantedMove,
) -> WantedMove:
    """With what may keep `host` from bringing it there."""
    if seen.promised or seen.at_another:
        return seen
    name = pool.metadata.name
    return replace(
        seen,
        unreadable=pool.spec.rbd is not None and volume.spec.encryption is not None,
        homeless=_homeless(objects, volume, owners, pool),
        busy=_busy(objects, owners),
        reached=name in _reached(objects, host),
        unreached={"host": host or THE_CLUSTER, **_why_unreached(objects.get(Host, host), name)},
        no_room=full_fields(pool, taken_bytes(objects, name), volume_bytes(objects, volume)),
    )


def _bringer(objects: Objects, volume: Volume, owners: Sequence[VirtualMachine], pool: str) -> str:
    """The host that brings data of a shared pool into `pool`: that of its VM, that to which another disk ties
    the VM, or one that reaches both pools; the one that acts now where there is none.
    """
    own = volume.status.host or ""
    tied = (pin.host for vm in owners for pin in pins(objects, _beside(objects, vm, volume)))
    bound = host_of_owners(owners) or next(tied, "")
    if bound:
        return bound
    reaching = [view for view in _views(objects) if {pool, volume.status.pool} <= view.pools]
    return storage_host(pool, reaching, own) or own


def _beside(objects: Objects, vm: VirtualMachine, volume: Volume) -> list[Volume]:
    """The other Volumes of the VM's disks."""
    names = (disk.volume or volume_name(vm.metadata.name, disk.name) for disk in vm.spec.disks)
    found = (objects.get(Volume, f"{vm.metadata.namespace}/{name}") for name in names)
    return [item for item in found if item is not None and item.metadata.uid != volume.metadata.uid]


def is_at_rest(volume: Volume, owners: Sequence[VirtualMachine]) -> bool:
    """Whether its host does nothing with it that another one could not go on with: a guest that runs has it,
    or no move of it is under way.
    """
    ready = volume.status.condition("Ready")
    return any(map(is_on, owners)) or ready is None or ready.reason != "Moving"


def _homeless(objects: Objects, volume: Volume, owners: Sequence[VirtualMachine], pool: StoragePool) -> str:
    """A VM that is about to get a host, which nobody knows yet, for data that then ties it to its own; "" for
    none.
    """
    if pool.spec.rbd is not None or not in_shared_pool(objects, volume) or host_of_owners(owners):
        return ""
    return next((vm.metadata.name for vm in owners if vm.spec.power_state != "Stopped"), "")


def _busy(objects: Objects, owners: Sequence[VirtualMachine]) -> dict[str, str]:
    """What has begun with a VM that has it, and needs the data where it is until it has ended."""
    for vm in owners:
        if vm.status.migration is not None:
            return {"leaver": vm.metadata.name}
        if vm.status.restore is not None:
            return {"restoring": vm.metadata.name}
        if snapshot := snapshot_under_way(objects, vm):
            return {"snapshot": snapshot}
    return {}


def _reached(objects: Objects, host: str) -> frozenset[str]:
    return next((view.pools for view in _views(objects) if view.name == host), frozenset())


def _views(objects: Objects) -> list[HostView]:
    pools, policy = objects.list(StoragePool), objects.get(SchedulingPolicy, "default")
    return [view_of(host, pools, policy) for host in objects.list(Host)]


def _why_unreached(host: Host | None, pool: str) -> dict[str, str]:
    """What a host says that should reach the pool and does not; nothing where it is none of the pool's."""
    said = (item for item in host.status.pools if item.name == pool) if host is not None else ()
    found = next((item.message for item in said if item.state == "Unreachable"), None)
    return {"said": cause_of(found)} if found else {}


def _pool_path(volume: Volume) -> str:
    """Where its pool is said: the spec of a Volume that was made for a VM follows that of the VM."""
    if LABEL_VIRTUAL_MACHINE_UID not in volume.metadata.labels:
        return "spec.pool"
    vm = volume.metadata.annotations.get(ANNOTATION_VIRTUAL_MACHINE, "")
    return f"spec.disks[].pool of VM {vm}".rstrip()
