"""What is to be done about every restore, from what was observed. Pure.

    waits ──VM, snapshot and disks fit──► VM is off ──► Name, Choose ──► its host: Restoring ──► Restored
      │      └──stop: Force, and a host to do it──► Name ──► its host ends the guest ──┘   └──► Failed
      └── never can be done ──► Failed                                   LetGo ◄── either ──┘

The VM names the restore (`status.restore`) from before a host may act until after it has said that it is
over: meanwhile the scheduler gives the VM no host.
"""

from __future__ import annotations

from quantix_api import VirtualMachine, VirtualMachineSnapshot
from quantix_api.facts import fact
from quantix_operator.diskset.model import Reach, VmDisk
from quantix_operator.restore.fitting import disks_to_set_back, misfit
from quantix_operator.restore.model import (
    Action,
    Choose,
    Leave,
    LetGo,
    LetGoLeft,
    Name,
    Observed,
    Steps,
    Task,
)
from quantix_operator.scheduling.running import host_of
from quantix_operator.storagepool.unreached import reached_by_none
from quantix_operator.vmwork.telling import Release, Tell, fails, waits


def plan_restores(observed: Observed) -> tuple[Steps | LetGoLeft, ...]:
    """The steps of every restore that has any; of one VM one at a time, the elder first. And of every VM that
    a restore left behind.
    """
    held = {
        task.vm.metadata.uid: task.restore.metadata.name
        for task in observed.tasks
        if task.vm is not None and task.is_named and not task.is_over
    }
    steps: list[Steps | LetGoLeft] = []
    for task in observed.tasks:
        actions = _actions(task, observed.reach, held)
        if actions:
            steps.append(Steps(task, actions))
    return (*steps, *map(LetGoLeft, observed.left))


def _actions(task: Task, reach: Reach, held: dict[str, str]) -> tuple[Action, ...]:
    if task.is_over:
        return _after(task)
    if task.restore.status.host is not None:
        return _under_way(task, task.restore.status.host, reach)
    if task.restore.deleting:
        return (*_let_go(task), Release())
    return _begin(task, reach, held)


def _after(task: Task) -> tuple[Action, ...]:
    if task.restore.deleting:
        return (*_let_go(task), Release())
    if task.restore.status.host is None or not task.heard:
        # what we said ourselves stays
        return _let_go(task)
    # said once, before the VM goes on: later changes of its spec are no matter of this restore
    restored = task.restore.status.phase == "Restored" and task.is_named
    told = task.differences if restored else task.restore.status.differences
    return (Leave(told), *_let_go(task))


def _let_go(task: Task) -> tuple[Action, ...]:
    return (LetGo(),) if task.is_named else ()


def _under_way(task: Task, host: str, reach: Reach) -> tuple[Action, ...]:
    """What was begun is carried through, also where the restore is being deleted, while there is its host."""
    if host in reach.removed:
        # what it left half done nobody starts: the claims say so
        of = task.restore.spec.snapshot
        return (fails(fact("Ready", "False", "RestoreFailed", removed=host, snapshot=of)),)
    vm = task.vm
    # an API that was restored may have forgotten it
    named: tuple[Action, ...] = ()
    if vm is not None and vm.status.restore is None and not host_of(vm):
        named = (Name(),)
    if host in reach.silent:
        return (*named, Tell("Restoring", fact("Ready", "False", "Restoring", silent=host)))
    if task.heard:
        return (*named, Leave())
    return (*named, Tell("Restoring", fact("Ready", "False", "Restoring", host=host)))


def _begin(task: Task, reach: Reach, held: dict[str, str]) -> tuple[Action, ...]:
    vm, snapshot = task.vm, task.snapshot
    if vm is None:
        missing = task.restore.spec.virtual_machine
        return (Tell("Pending", fact("Ready", "False", "VirtualMachineNotFound", missing=missing)),)
    found = misfit(task, vm, snapshot) or _barred(task, vm, held)
    if found is not None or snapshot is None:
        return (*_let_go(task), *((found,) if found is not None else ()))
    stops = host_of(vm) != ""
    if stops and task.restore.spec.stop == "Never":
        return (*_let_go(task), waits(fact("Ready", "False", "WaitingForStop", name=vm.metadata.name)))
    disks = disks_to_set_back(task, snapshot)
    place = _place(disks, snapshot, reach)
    if isinstance(place, Tell):
        # nothing is switched off for a restore that nobody can do
        return (*_let_go(task), place)
    held[vm.metadata.uid] = task.restore.metadata.name
    named: tuple[Action, ...] = () if task.is_named else (Name(),)
    if stops:
        return (*named, _switches_off(vm, reach))
    begins = Tell("Restoring", fact("Ready", "False", "Restoring", host=place))
    return (*named, Choose(place, vm, snapshot, disks), begins)


def _barred(task: Task, vm: VirtualMachine, held: dict[str, str]) -> Tell | None:
    """Who else works on the VM."""
    name = vm.metadata.name
    other = held.get(vm.metadata.uid, "")
    if other and not task.is_named:
        return waits(fact("Ready", "False", "RestoreInProgress", name=name, restore=other))
    if task.taken:
        return waits(fact("Ready", "False", "SnapshotRunning", name=name))
    return None


def _place(disks: tuple[VmDisk, ...], snapshot: VirtualMachineSnapshot, reach: Reach) -> str | Tell:
    """The host that sets them back, or why none does now."""
    keeper = snapshot.status.host or ""
    if any(disk.keeper for disk in disks):
        # only that host has them, whatever else it is
        silent = keeper in reach.silent
        return waits(fact("Ready", "False", "Restoring", silent=keeper)) if silent else keeper
    pools = sorted({disk.pool for disk in disks})
    host = reach.host_for(pools, keeper)
    if host:
        return host
    return waits(reached_by_none(pools[0] if pools else "?"))


def _switches_off(vm: VirtualMachine, reach: Reach) -> Tell:
    """By its host, which reads that the restore holds the VM off."""
    host = host_of(vm)
    if host in reach.silent:
        return waits(fact("Ready", "False", "Restoring", silent=host))
    return waits(fact("Ready", "False", "WaitingForStop", name=vm.metadata.name, host=host))
