"""What is to be done about every snapshot, from what was observed. Pure.

waits ──its VM and disks are there, nobody else works on them──► Choose ──► its host: Taking ──► Ready
  │ ▲                                                         │                          └──► Failed
  │ └──TakeBack: the VM or a disk left, and nothing was begun──┘
  └── never can be taken ──► Failed
deleted ──► its host, or another where that was removed: Absent ──► Release
"""

from __future__ import annotations

from quantix_api import VirtualMachine
from quantix_api.facts import Fact, fact
from quantix_operator.diskset.model import Reach, keepers
from quantix_operator.scheduling.running import host_of, is_on, stays_off
from quantix_operator.snapshot.model import Action, Choose, Hand, Leave, Observed, Shot, Steps, TakeBack
from quantix_operator.storagepool.unreached import reached_by_none
from quantix_operator.vmwork.telling import Release, Tell, fails, waits


def plan_snapshots(observed: Observed) -> tuple[Steps, ...]:
    """The steps of every snapshot that has any; of one VM one at a time, the elder first."""
    begun: dict[str, str] = {}
    steps = []
    for shot in observed.shots:
        actions = _actions(shot, observed.reach, begun)
        if actions:
            steps.append(Steps(shot, actions))
    return tuple(steps)


def _actions(shot: Shot, reach: Reach, begun: dict[str, str]) -> tuple[Action, ...]:
    status = shot.snapshot.status
    if shot.snapshot.deleting:
        return _deleted(shot, reach)
    if status.host is None:
        return () if shot.is_over else _begin(shot, reach, begun)
    if shot.is_over:
        # what we said ourselves stays
        return (Leave(),) if shot.heard else ()
    return (TakeBack(),) if _is_elsewhere(shot, status.host) else (_under_way(shot, status.host, reach),)


def _deleted(shot: Shot, reach: Reach) -> tuple[Action, ...]:
    status = shot.snapshot.status
    if status.host is None or status.data == "Absent":
        return (Release(),)
    other = reach.host_for(disk.pool or "" for disk in status.disks) if status.host in reach.removed else ""
    if other:
        return (Hand(other),)
    if status.host in reach.silent:
        return (Tell(status.phase or "Pending", fact("Ready", "False", "Deleting", silent=status.host)),)
    return (Leave(),) if shot.heard else ()


def _is_elsewhere(shot: Shot, host: str) -> bool:
    """Whether another host, other volumes, or nothing at all would be chosen now; not once the chosen one may
    have stored anything, which it says before.
    """
    status, vm = shot.snapshot.status, shot.vm
    if status.data == "Present" or vm is None:
        return False
    if vm.metadata.uid != status.virtual_machine_uid or host_of(vm) not in ("", host) or shot.bars_memory:
        return True
    there = {(disk.name, disk.volume.metadata.uid, disk.pool) for disk in shot.disks if disk.volume}
    if any((disk.name, disk.volume_uid, disk.pool) not in there for disk in status.disks):
        return True
    return not host_of(vm) and any(keeper != host for keeper in keepers(shot.disks))


def _under_way(shot: Shot, host: str, reach: Reach) -> Action:
    if host in reach.removed:
        what = f"host {host} was removed"
        return fails(fact("Ready", "False", "SnapshotInterrupted", what=what))
    if host in reach.silent:
        return Tell("Taking", fact("Ready", "False", "Taking", silent=host))
    return Leave() if shot.heard else Tell("Taking", fact("Ready", "False", "Taking", host=host))


def _begin(shot: Shot, reach: Reach, begun: dict[str, str]) -> tuple[Action, ...]:
    vm = shot.vm
    if vm is None:
        missing = shot.snapshot.spec.virtual_machine
        return (waits(fact("Ready", "False", "VirtualMachineNotFound", missing=missing)),)
    if shot.bars_memory and not vm.deleting:
        why = fact("Ready", "False", "ConfigRefused", name=vm.metadata.name, encrypted=shot.encrypted_disk)
        return (fails(why),)
    barred = _barred(shot, vm, begun) or _unfit(shot, vm)
    if barred is not None:
        return (waits(barred),)
    found = _where(shot, vm, reach)
    if isinstance(found, Tell):
        return (found,)
    begun[vm.metadata.uid] = shot.snapshot.metadata.name
    return Choose(found, vm, shot.disks), Tell("Taking", fact("Ready", "False", "Taking", host=found))


def _barred(shot: Shot, vm: VirtualMachine, begun: dict[str, str]) -> Fact | None:
    """Who else works on the VM."""
    name = vm.metadata.name
    if vm.deleting:
        return fact("Ready", "False", "VirtualMachineNotFound", leaving=name)
    if shot.taken_already or vm.metadata.uid in begun:
        return fact("Ready", "False", "SnapshotRunning", name=name)
    if vm.status.migration is not None:
        return fact("Ready", "False", "MigrationRunning", name=name)
    if vm.status.restore is not None:
        restore = vm.status.restore.name or vm.status.restore.uid
        return fact("Ready", "False", "RestoreInProgress", name=name, restore=restore)
    return None


def _unfit(shot: Shot, vm: VirtualMachine) -> Fact | None:
    """What its disks lack."""
    name, there = vm.metadata.name, {disk.name for disk in shot.disks}
    for wanted in shot.snapshot.spec.disks:
        if wanted not in there:
            return fact("Ready", "False", "DiskMissing", name=name, disk=wanted)
    for disk in shot.disks:
        if not disk.made or disk.volume is None:
            return fact("Ready", "False", "DiskMissing", name=name, unmade=disk.name)
        if disk.moving_to:
            volume = disk.volume.metadata.name
            return fact("Ready", "False", "Moving", volume=volume, pool=disk.moving_to)
    return None


def _where(shot: Shot, vm: VirtualMachine, reach: Reach) -> str | Tell:
    """The host that takes it, or why none does now, or ever."""
    host, name = host_of(vm), vm.metadata.name
    if host and host in reach.silent:
        return waits(fact("Ready", "False", "Taking", silent=host))
    if host:
        return host if is_on(vm) else waits(fact("Ready", "False", "Starting", starting=name))
    if shot.snapshot.spec.memory:
        if stays_off(vm):
            return fails(fact("Ready", "False", "NotRunning", off=name))
        return waits(fact("Ready", "False", "Starting", starting=name))
    return _where_it_is_off(shot, name, reach)


def _where_it_is_off(shot: Shot, name: str, reach: Reach) -> str | Tell:
    alone = keepers(shot.disks)
    if len(alone) > 1:
        return fails(fact("Ready", "False", "PoolCannotSnapshot", name=name, hosts=", ".join(alone)))
    if alone and alone[0] in reach.silent:
        return waits(fact("Ready", "False", "Taking", silent=alone[0]))
    if alone:
        return alone[0]
    pools = sorted({disk.pool for disk in shot.disks})
    host = reach.host_for(pools)
    if host:
        return host
    return waits(reached_by_none(pools[0] if pools else "?"))
