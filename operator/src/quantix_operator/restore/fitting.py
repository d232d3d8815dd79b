"""Whether a snapshot can be put back into a VM as it is now, and what keeps it from that. Pure."""

from __future__ import annotations

from quantix_api import SnapshotDisk, VirtualMachine, VirtualMachineSnapshot
from quantix_api.facts import Fact, fact
from quantix_operator.diskset.model import VmDisk
from quantix_operator.restore.differences import SPEC
from quantix_operator.restore.model import Task
from quantix_operator.vmwork.telling import Tell, fails, waits


def misfit(task: Task, vm: VirtualMachine, snapshot: VirtualMachineSnapshot | None) -> Tell | None:
    """What keeps it from being put back: for now what comes by itself, else for ever. One that waited for a
    disk to come back would set the VM back, and pull its plug, at a moment when nobody thinks of it.
    """
    name, wanted = vm.metadata.name, task.restore.spec.snapshot
    if vm.deleting:
        return fails(fact("Ready", "False", "VirtualMachineNotFound", gone=name, snapshot=wanted))
    if snapshot is None:
        return waits(fact("Ready", "False", "SnapshotNotFound", snapshot=wanted))
    if snapshot.deleting:
        return waits(fact("Ready", "False", "SnapshotNotFound", going=wanted))
    if snapshot.status.phase == "Failed":
        return fails(fact("Ready", "False", "SnapshotNotReady", failed=wanted))
    if snapshot.status.phase != "Ready":
        return waits(fact("Ready", "False", "SnapshotNotReady", snapshot=wanted))
    if snapshot.status.virtual_machine_uid != vm.metadata.uid:
        return fails(_of_another(snapshot, name))
    if vm.status.migration is not None:
        # its disks go with it
        return waits(fact("Ready", "False", "MigrationRunning", name=name))
    return _lacks(task, snapshot, name) or _memory(task, snapshot, name)


def disks_to_set_back(task: Task, snapshot: VirtualMachineSnapshot) -> tuple[VmDisk, ...]:
    """The VM's disks that are named, or that the snapshot has."""
    names = {disk.name for disk in _wanted(task, snapshot)}
    return tuple(disk for disk in task.disks if disk.name in names)


def _wanted(task: Task, snapshot: VirtualMachineSnapshot) -> tuple[SnapshotDisk, ...]:
    names = task.restore.spec.disks
    return tuple(disk for disk in snapshot.status.disks if not names or disk.name in names)


def _of_another(snapshot: VirtualMachineSnapshot, name: str) -> Fact:
    owner, of = snapshot.spec.virtual_machine, snapshot.metadata.name
    fields = {"name": name} if owner == name else {"name": name, "owner": owner}
    return fact("Ready", "False", "VirtualMachineNotFound", snapshot=of, **fields)


def _lacks(task: Task, snapshot: VirtualMachineSnapshot, name: str) -> Tell | None:
    kept = {disk.name for disk in snapshot.status.disks}
    for wanted in task.restore.spec.disks:
        if wanted not in kept:
            of = snapshot.metadata.name
            return fails(fact("Ready", "False", "DiskMissing", snapshot=of, disk=wanted))
    disks = {disk.name: disk for disk in task.disks}
    for item in _wanted(task, snapshot):
        found = _elsewhere(item, disks.get(item.name), snapshot, name)
        if found is not None:
            return found
    return None


def _elsewhere(
    kept: SnapshotDisk, disk: VmDisk | None, snapshot: VirtualMachineSnapshot, name: str
) -> Tell | None:
    """Whether the VM's disk is what and where it was when the snapshot was taken."""
    of, place = snapshot.metadata.name, snapshot.status.host or ""
    if disk is None:
        return fails(fact("Ready", "False", "DiskMissing", name=name, disk=kept.name))
    volume = disk.volume
    if volume is None or volume.metadata.uid != kept.volume_uid:
        return fails(fact("Ready", "False", "DiskMissing", disk=kept.name, snapshot=of, volume=kept.volume))
    if not disk.pool:
        # of an API that was restored
        return waits(fact("Ready", "False", "DiskMissing", name=name, unmade=kept.name))
    if disk.moving_to:
        return waits(fact("Ready", "False", "Moving", volume=volume.metadata.name, pool=disk.moving_to))
    if disk.pool != kept.pool:
        fields = {"pool": disk.pool, "before": kept.pool, "volume": volume.metadata.name}
        return fails(fact("Ready", "False", "DiskMissing", disk=kept.name, snapshot=of, **fields))
    if disk.keeper not in ("", place):
        fields = {"host": disk.keeper, "place": place}
        return fails(fact("Ready", "False", "DiskMissing", disk=kept.name, snapshot=of, **fields))
    return None


def _memory(task: Task, snapshot: VirtualMachineSnapshot, name: str) -> Tell | None:
    """Memory goes on only in the machine that it was in."""
    if task.restore.spec.memory == "Never" or not snapshot.spec.memory or not task.unlike:
        return None
    of = snapshot.metadata.name
    if SPEC in task.unlike:
        return fails(fact("Ready", "False", "MemoryUnusable", name=name, unread=of))
    paths = ", ".join(task.unlike)
    return fails(fact("Ready", "False", "MemoryUnusable", name=name, snapshot=of, paths=paths))
