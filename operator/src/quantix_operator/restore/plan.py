"""What is to be done about every restore, from what was observed. Pure.

    waits ──VM, snapshot and disks fit──► VM is off ──► Name, Choose ──► its host: Restoring ──► Restored
      │                   └──stop: Force──► Name ──► its host ends the guest ──┘          └──► Failed
      └── never can be done ──► Failed                                 LetGo ◄── either ──┘

The VM names the restore (`status.restore`) from before a host may act until after it has said that it is
over: meanwhile the scheduler gives the VM no host.
"""

from __future__ import annotations

from quantix_api import VirtualMachine, VirtualMachineSnapshot
from quantix_api.facts import Fact, fact
from quantix_api.message_table_phrases import REACHED_BY_NONE
from quantix_operator.diskset.model import Reach, host_of
from quantix_operator.diskset.telling import Release, Tell
from quantix_operator.restore.fitting import disks_to_set_back, misfit
from quantix_operator.restore.model import (
    Action,
    Choose,
    Leave,
    LetGo,
    Name,
    Observed,
    Steps,
    Task,
)


def plan_restores(observed: Observed) -> tuple[Steps, ...]:
    """The steps of every restore that has any; of one VM one at a time, the elder first."""
    held = {
        task.vm.metadata.uid: task.restore.metadata.name
        for task in observed.tasks
        if task.vm is not None and task.is_named and not task.is_over
    }
    steps = []
    for task in observed.tasks:
        actions = _actions(task, observed.reach, held)
        if actions:
            steps.append(Steps(task, actions))
    return tuple(steps)


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
    if task.restore.status.host is None:
        return _let_go(task)
    # said once, before the VM goes on: later changes of its spec are no matter of this restore
    restored = task.restore.status.phase == "Restored" and task.is_named
    told = task.differences if restored else task.restore.status.differences
    return (Leave(told), *_let_go(task))


def _let_go(task: Task) -> tuple[Action, ...]:
    return (LetGo(),) if task.is_named else ()


def _under_way(task: Task, host: str, reach: Reach) -> tuple[Action, ...]:
    """What was begun is carried through, also where the restore is being deleted."""
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
    if host_of(vm):
        return _wait_for_stop(task, vm, reach, held)
    return _choose(task, vm, snapshot, reach, held)


def _barred(task: Task, vm: VirtualMachine, held: dict[str, str]) -> Tell | None:
    """Who else works on the VM."""
    name = vm.metadata.name
    other = held.get(vm.metadata.uid, "")
    if other and not task.is_named:
        return _waits(fact("Ready", "False", "RestoreInProgress", name=name, restore=other))
    if vm.status.migration is not None:
        return _waits(fact("Ready", "False", "MigrationRunning", name=name))
    if task.taken:
        return _waits(fact("Ready", "False", "SnapshotRunning", name=name))
    return None


def _wait_for_stop(task: Task, vm: VirtualMachine, reach: Reach, held: dict[str, str]) -> tuple[Action, ...]:
    host, name = host_of(vm), vm.metadata.name
    if task.restore.spec.stop == "Never":
        return (*_let_go(task), _waits(fact("Ready", "False", "WaitingForStop", name=name)))
    held[vm.metadata.uid] = task.restore.metadata.name
    named: tuple[Action, ...] = () if task.is_named else (Name(),)
    if host in reach.silent:
        return (*named, _waits(fact("Ready", "False", "Restoring", silent=host)))
    return (*named, _waits(fact("Ready", "False", "WaitingForStop", name=name, host=host)))


def _choose(
    task: Task, vm: VirtualMachine, snapshot: VirtualMachineSnapshot, reach: Reach, held: dict[str, str]
) -> tuple[Action, ...]:
    disks = disks_to_set_back(task, snapshot)
    place, pools = snapshot.status.host or "", sorted({disk.pool for disk in disks})
    if any(disk.keeper for disk in disks):
        # only that host has them, whatever else it is
        if place in reach.silent:
            return (*_let_go(task), _waits(fact("Ready", "False", "Restoring", silent=place)))
        host = place
    else:
        host = reach.host_for(pools, place)
    if not host:
        pool = pools[0] if pools else "?"
        lacks = fact("Ready", "False", "PoolUnreachable", host="The cluster", pool=pool, said=REACHED_BY_NONE)
        return (*_let_go(task), _waits(lacks))
    held[vm.metadata.uid] = task.restore.metadata.name
    named: tuple[Action, ...] = () if task.is_named else (Name(),)
    begins = Tell("Restoring", fact("Ready", "False", "Restoring", host=host))
    return (*named, Choose(host, vm, snapshot, disks), begins)


def _waits(why: Fact) -> Tell:
    return Tell("Pending", why)
