"""From cached objects to a VM's disks and to who can act on them. Reads the cache only."""

from __future__ import annotations

from collections.abc import Collection

from quantix_api import (
    Host,
    SchedulingPolicy,
    StoragePool,
    VirtualMachine,
    Volume,
    volume_name,
)
from quantix_operator.diskset.model import Reach, VmDisk
from quantix_operator.objects import Objects
from quantix_operator.scheduling.host_reading import silent_hosts, view_of
from quantix_operator.volumedata.origin import is_made
from quantix_operator.volumedata.right import in_shared_pool


def disks_of(objects: Objects, vm: VirtualMachine, names: Collection[str]) -> tuple[VmDisk, ...]:
    """The disks of these names that its spec has; of no names: all of them."""
    found = []
    for disk in vm.spec.disks:
        if names and disk.name not in names:
            continue
        name = disk.volume or volume_name(vm.metadata.name, disk.name)
        volume = objects.get(Volume, f"{vm.metadata.namespace}/{name}")
        if volume is None:
            found.append(VmDisk(disk.name))
        else:
            made, shared = is_made(objects, volume), in_shared_pool(objects, volume)
            found.append(VmDisk(disk.name, volume, made, shared))
    return tuple(found)


def reach_of(objects: Objects, named: Collection[str]) -> Reach:
    """Which hosts reach which pools, and which are silent; also those that are named and not there."""
    hosts, pools = objects.list(Host), objects.list(StoragePool)
    policy = objects.get(SchedulingPolicy, "default")
    views = [view_of(host, pools, policy) for host in hosts]
    ready = [view for view in views if not view.not_ready and not view.closed]
    by_pool = {
        pool.metadata.name: frozenset(view.name for view in ready if pool.metadata.name in view.pools)
        for pool in pools
    }
    there = {host.metadata.name for host in hosts}
    unread = {host["metadata"]["name"] for host in objects.unread(Host)}
    return Reach(by_pool, frozenset(silent_hosts(hosts, named)), frozenset({*named} - there - unread))
