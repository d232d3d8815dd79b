"""From cached objects to what a pass over all restores decides on. Reads the cache only."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from quantix_api import VirtualMachine, VirtualMachineRestore, VirtualMachineSnapshot, VirtualMachineSpec
from quantix_api.seniority import age_order
from quantix_client.reading import model_of
from quantix_operator.diskset.model import Reach
from quantix_operator.diskset.observe import disks_of, reach_of
from quantix_operator.indexers import UNFINISHED, open_or_going
from quantix_operator.objects import Objects
from quantix_operator.restore.differences import SPEC, differences, unlike_memory
from quantix_operator.restore.model import Observed, Task
from quantix_operator.scheduling.running import host_of
from quantix_operator.vmwork.observe import is_heard, snapshot_under_way


def observe(objects: Objects) -> Observed:
    """Everything that one pass decides on."""
    held = {vm.status.restore.uid: vm for vm in objects.list(VirtualMachine) if vm.status.restore is not None}
    unfinished = {item.metadata.uid for item in objects.by(VirtualMachineRestore, open_or_going, UNFINISHED)}
    wanted = held.keys() | unfinished
    if not wanted:
        return Observed((), Reach())
    restores = [item for item in objects.list(VirtualMachineRestore) if item.metadata.uid in wanted]
    known = {item.metadata.uid for item in restores}
    tasks = tuple(_task(objects, restore) for restore in sorted(restores, key=age_order))
    hosts = {task.restore.status.host or "" for task in tasks}
    hosts |= {host_of(task.vm) for task in tasks if task.vm is not None}
    hosts |= {task.snapshot.status.host or "" for task in tasks if task.snapshot is not None}
    left = tuple(vm for uid, vm in held.items() if uid not in known)
    return Observed(tasks, reach_of(objects, hosts - {""}), left)


def _task(objects: Objects, restore: VirtualMachineRestore) -> Task:
    namespace, status = restore.metadata.namespace, restore.status
    vm = objects.get(VirtualMachine, f"{namespace}/{restore.spec.virtual_machine}")
    if vm is not None and status.virtual_machine_uid not in (None, vm.metadata.uid):
        vm = None
    snapshot = objects.get(VirtualMachineSnapshot, f"{namespace}/{restore.spec.snapshot}")
    if snapshot is not None and status.snapshot_uid not in (None, snapshot.metadata.uid):
        snapshot = None
    heard = is_heard(objects, restore)
    if vm is None:
        return Task(restore, snapshot=snapshot, heard=heard)
    found = _differences(vm, snapshot)
    return Task(
        restore,
        vm,
        disks_of(objects, vm, ()),
        snapshot,
        snapshot_under_way(objects, vm),
        heard,
        found,
        unlike_memory(found),
    )


def _differences(vm: VirtualMachine, snapshot: VirtualMachineSnapshot | None) -> tuple[str, ...]:
    """With all defaults spelt out on both sides: what says nothing is what says the default. SPEC of a config
    that nobody can read: a host wrote it, perhaps under another schema.
    """
    config = snapshot.status.config if snapshot is not None else None
    if config is None:
        return ()
    try:
        kept = model_of(VirtualMachine, {"metadata": {"name": vm.metadata.name}, "spec": config})
    except ValidationError:
        return (SPEC,)
    return differences(_spelt_out(kept.spec), _spelt_out(vm.spec))


def _spelt_out(spec: VirtualMachineSpec) -> dict[str, Any]:
    return spec.model_dump(mode="json", by_alias=True, exclude_none=True)
