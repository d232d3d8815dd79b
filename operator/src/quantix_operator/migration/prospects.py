"""Whether a VM can leave its host at all, and what keeps it off another one.

Reads the cache only; used for migrations that wait, for hosts that are to be emptied, and by what-ifs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from quantix_api import Host, VirtualMachine, Volume
from quantix_api.quantities import size_bytes
from quantix_operator.migration.model import Prospect
from quantix_operator.objects import Objects
from quantix_operator.scheduling import host_reading
from quantix_operator.scheduling.model import Lack, Refusal
from quantix_operator.scheduling.observe import guest_of, sizing_of
from quantix_operator.scheduling.sizing import given
from quantix_operator.virtualmachine.observe import standing_of
from quantix_operator.virtualmachine.platform import knows_machine
from quantix_operator.virtualmachine.protection import keeps_it_there
from quantix_operator.volumedata.right import in_shared_pool

BytesComing = Counter[tuple[str, str]]
"""Bytes on their way, by host and pool."""


def prospect_of(
    objects: Objects, vm: VirtualMachine, volumes: tuple[Volume, ...], coming: BytesComing
) -> Prospect | None:
    """None for a VM that no host has, whose host is not there, or whose size nobody knows."""
    assignment = vm.status.assignment
    host = objects.get(Host, assignment.host) if assignment is not None and assignment.host else None
    size = given(vm, sizing_of(objects, vm))
    if host is None or size is None:
        return None
    # its data goes with it: that it is here now binds it to nothing
    guest = replace(guest_of(objects, vm, size, volumes_of(objects, vm)), pins=())
    others = (other for other in objects.list(Host) if other.metadata.name != host.metadata.name)
    return Prospect(
        guest,
        host.metadata.name,
        host.metadata.uid,
        keeps_it_there(vm, standing_of(objects, vm, host)),
        {item.metadata.name: tuple(_refusals(vm, host, item, volumes, coming)) for item in others},
    )


def volumes_of(objects: Objects, vm: VirtualMachine) -> tuple[Volume, ...]:
    """The Volumes of the disks that it has."""
    disks = vm.status.resolved.disks if vm.status.resolved is not None else ()
    found = ((objects.get(Volume, f"{vm.metadata.namespace}/{disk.volume}"), disk) for disk in disks)
    return tuple(
        volume for volume, disk in found if volume is not None and volume.metadata.uid == disk.volume_uid
    )


def local_volumes(objects: Objects, vm: VirtualMachine) -> tuple[Volume, ...]:
    """Those of its Volumes whose data is on one host only."""
    return tuple(volume for volume in volumes_of(objects, vm) if not in_shared_pool(objects, volume))


def shared_volumes(objects: Objects, vm: VirtualMachine) -> tuple[Volume, ...]:
    """Those that every host of their pool reaches."""
    return tuple(volume for volume in volumes_of(objects, vm) if in_shared_pool(objects, volume))


def bytes_by_pool(volumes: Iterable[Volume]) -> Mapping[str, int]:
    """What their guests may fill."""
    found: Counter[str] = Counter()
    for volume in volumes:
        size = volume.status.capacity or volume.spec.size
        if size:
            found[volume.status.pool or ""] += size_bytes(size)
    return found


def pool_room(host: Host, coming: BytesComing) -> Mapping[str, int]:
    """Bytes by pool that are free on the host and that nothing on its way will fill, where they are known."""
    return {
        pool.name: host_reading.capacity_bytes(pool.available) - coming[host.metadata.name, pool.name]
        for pool in host.status.pools
        if pool.available
    }


def running_refusals(vm: VirtualMachine, source: Host, target: Host) -> Iterator[Refusal]:
    """What a guest that runs cannot do without, beside what keeps any guest off a host."""
    resolved = vm.status.resolved
    if resolved is None:
        return
    if host_reading.kvm_works(source) != host_reading.kvm_works(target):
        yield Refusal(Lack.CPU_MODEL, resolved.cpu_model or "")
    if not knows_machine(target.status.versions.get("machineType", ""), resolved.machine_type or ""):
        yield Refusal(Lack.MACHINE_TYPE, resolved.machine_type or "")


def _refusals(
    vm: VirtualMachine, source: Host, target: Host, volumes: tuple[Volume, ...], coming: BytesComing
) -> Iterator[Refusal]:
    yield from running_refusals(vm, source, target)
    room = pool_room(target, coming)
    for pool, wanted in bytes_by_pool(volumes).items():
        if wanted > room.get(pool, wanted):
            yield Refusal(Lack.POOL_ROOM, pool)
