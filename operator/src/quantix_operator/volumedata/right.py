"""Whether the host that says it keeps a Volume has a right to: the judgement that admission cannot make.

A new Volume of a VM is taken by that VM's host, which writes `status.host` itself (one write fewer for each
Volume). Admission sees no VM, so any host could write that; a VM would then be placed where its data is said
to be. The proof is one of (docs/adr/0009):

- `status.confirmedHost`, which only the scheduler writes: it placed the Volume, or found it with its host
  while no VM had it. Hosts cannot take a Volume that no VM has, so that word was judged before.
- the assignment of a VM that has it: `host`, or `lastHost` while the VM has none.

Data in a shared pool does not bind its VM, which gets other hosts. So whoever keeps such data is confirmed
before that: by the placement controller, and by migrations, in which it becomes the target's.

Called by the controllers of Volumes and VMs and by the scheduler. Reads the cache only.
"""

from __future__ import annotations

from collections.abc import Sequence

from quantix_api import StoragePool, VirtualMachine, Volume
from quantix_api.resources import ANNOTATION_VIRTUAL_MACHINE, LABEL_VIRTUAL_MACHINE_UID
from quantix_operator.objects import Objects


def is_denied(objects: Objects, volume: Volume) -> bool:
    """Whether the word of its host does not count."""
    return refuted(volume, owners_of(objects, volume))


def refuted(volume: Volume, owners: Sequence[VirtualMachine]) -> bool:
    """Whether every VM that has the Volume tells that its host never got it.

    Without a VM nothing tells so: what is not disproved stays, since data may be there.
    """
    host = volume.status.host
    if not host or host == volume.status.confirmed_host or not owners:
        return False
    return all(_never_on(vm, host) for vm in owners)


def host_of_owners(owners: Sequence[VirtualMachine]) -> str:
    """The host that the VMs which have the Volume are assigned to, "" for none."""
    assignments = (vm.status.assignment for vm in owners)
    return next((item.host for item in assignments if item is not None and item.host), "")


def needs_confirming(volume: Volume, vm: VirtualMachine, host: str) -> bool:
    """Whether the VM alone proves now that the host of its Volume keeps it, and will no more on `host`."""
    keeper = volume.status.host
    return keeper not in (None, "", host, volume.status.confirmed_host) and not refuted(volume, (vm,))


def is_open_in(volume: Volume, vm: VirtualMachine) -> bool:
    """Whether the guest of the VM's host has it open, and so the claim: nobody else is at work on it."""
    assignment, runtime = vm.status.assignment, vm.status.runtime
    if assignment is None or not assignment.host or runtime.observed_epoch != assignment.epoch:
        return False
    return any(disk.volume_uid == volume.metadata.uid for disk in runtime.disks)


def owners_of(objects: Objects, volume: Volume) -> tuple[VirtualMachine, ...]:
    """The VMs that have it: the one that it was made for, and those that attach it."""
    attached = volume.status.attached_to
    uids = {volume.metadata.labels.get(LABEL_VIRTUAL_MACHINE_UID), *(item.uid for item in attached)}
    names = {volume.metadata.annotations.get(ANNOTATION_VIRTUAL_MACHINE), *(item.name for item in attached)}
    keys = (f"{volume.metadata.namespace}/{name}" for name in sorted(filter(None, names)))
    found = (objects.get(VirtualMachine, key) for key in keys)
    return tuple(vm for vm in found if vm is not None and vm.metadata.uid in uids)


def _never_on(vm: VirtualMachine, host: str) -> bool:
    assignment = vm.status.assignment
    if assignment is None:
        return True
    if assignment.host:
        return assignment.host != host
    # absent where a version that kept no lastHost took the host away: that tells nothing
    return assignment.last_host is not None and assignment.last_host != host


def in_shared_pool(objects: Objects, volume: Volume) -> bool:
    """Whether every host of its pool reaches its data."""
    return is_shared(objects, volume.status.pool or volume.spec.pool or "")


def is_tied(objects: Objects, volume: Volume) -> bool:
    """Whether one host alone has its data, or may have it at any moment: it goes into a directory there."""
    coming = volume.status.moving_to or ""
    return not in_shared_pool(objects, volume) or (bool(coming) and not is_shared(objects, coming))


def is_shared(objects: Objects, pool: str) -> bool:
    """Whether every host of this pool, "" for the default one, reaches all that is in it."""
    found = objects.get(StoragePool, pool) if pool else objects.default_pool()
    return found is not None and found.spec.rbd is not None
