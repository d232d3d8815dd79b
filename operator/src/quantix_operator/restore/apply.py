"""Carries out the steps of one restore, each as one write that may be repeated.

Called by the controller with the lock of placements held. A write of a VM counts only against the version
that was decided on.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import structlog

from quantix_api import RestoreState, VirtualMachine
from quantix_api.message_text import cause_of
from quantix_api.messages import render
from quantix_api.resources import MANAGER_SCHEDULER, VIRTUAL_MACHINE_RESTORES, VIRTUAL_MACHINES
from quantix_client.api import Manifest
from quantix_client.errors import Conflict, NotFound
from quantix_operator.context import Context
from quantix_operator.diskset.telling import Release, Tell, told_status
from quantix_operator.finalizers import Finalizers
from quantix_operator.objects import Objects
from quantix_operator.restore.model import Action, Choose, Leave, LetGo, LetGoLeft, Name, Steps, Task
from quantix_operator.restore.status import chosen_status, left_status
from quantix_operator.scheduling.observe import facts_of
from quantix_operator.scheduling.pass_plan import scheduled_fact
from quantix_operator.scheduling.writing import Ties, placement_status
from quantix_operator.status_writer import StatusWriter

log = structlog.get_logger(__name__)


class Writer:
    """`await carry_out(steps)`."""

    def __init__(self, context: Context, objects: Objects) -> None:
        self._api, self._events, self._objects = context.api, context.events, objects
        self._operator = StatusWriter(context.api, context.cache)
        self._scheduler = StatusWriter(context.api, context.cache, MANAGER_SCHEDULER)
        self._finalizers = Finalizers(context.api, context.cache, VIRTUAL_MACHINE_RESTORES)

    async def carry_out(self, steps: Steps | LetGoLeft) -> None:
        """All of them, in their order. Raises Conflict or NotFound at the first that finds another state."""
        if isinstance(steps, LetGoLeft):
            await self._let_go_left(steps.about)
            return
        for action in steps.actions:
            await self._one(action, steps.task)

    async def _one(self, action: Action, task: Task) -> None:
        live = self._live(task.restore)
        match action:
            case Name():
                await self._kept(live)
                metadata = task.restore.metadata
                await self._hold(task.vm, RestoreState(uid=metadata.uid, name=metadata.name))
            case LetGo():
                await self._hold(task.vm, None)
            case Choose():
                await self._choose(action, task, live)
            case Tell():
                await self._tell(action, task, live)
            case Leave():
                status = left_status(action)
                await self._operator.write(VIRTUAL_MACHINE_RESTORES, live, status, leave_ready=True)
            case Release():
                await self._finalizers.release(live)

    async def _choose(self, chosen: Choose, task: Task, live: Manifest) -> None:
        held = await self._kept(live)
        await self._scheduler.write(VIRTUAL_MACHINE_RESTORES, held, chosen_status(chosen), on_version=True)
        log.info("restore", restore=task.restore.key, host=chosen.host)

    async def _let_go_left(self, vm: VirtualMachine) -> None:
        named, namespace = vm.status.restore, vm.metadata.namespace
        assert named is not None
        assert named.name is not None
        try:
            found = await self._api.get(VIRTUAL_MACHINE_RESTORES, named.name, namespace)
        except NotFound:
            found = {"metadata": {}}
        if found["metadata"].get("uid") != named.uid:
            await self._hold(vm, None)
            log.info("VM was held off by a restore that is gone", vm=vm.key, restore=named.uid)

    async def _kept(self, live: Manifest) -> Manifest:
        """The restore, which does not go before what it did is undone."""
        held = await self._finalizers.ensure(live)
        if held is None:
            raise NotFound("the restore is gone")
        return held

    async def _hold(self, vm: VirtualMachine | None, state: RestoreState | None) -> None:
        if vm is None:
            raise NotFound("the VM is gone")
        live = self._live(vm)
        if live["metadata"]["resourceVersion"] != vm.metadata.resource_version:
            raise Conflict("the VM has changed since it was decided on")
        await self._scheduler.write(VIRTUAL_MACHINES, live, _held_status(vm, live, state), on_version=True)

    async def _tell(self, told: Tell, task: Task, live: Manifest) -> None:
        status = told_status(VIRTUAL_MACHINE_RESTORES, live, told, datetime.now(UTC))
        written = await self._operator.write(VIRTUAL_MACHINE_RESTORES, live, status, on_version=True)
        vm = self._objects.manifest(task.vm) if task.vm is not None else None
        if not written or not told.ended or vm is None:
            return
        log.info("restore", restore=task.restore.key, phase=told.phase, reason=told.ready.reason)
        why = f"{cause_of(told.ready.message)} ({told.ready.reason})"
        said = render("RestoreFailed", snapshot=task.restore.spec.snapshot, why=why)
        self._events.record(
            vm, said.reason, said.text, type="Warning", action="Restore", reporter="scheduler"
        )

    def _live(self, model: Any) -> Manifest:
        found = self._objects.manifest(model)
        if found is None:
            raise NotFound(f"{model.key} is gone")
        return found


def _held_status(vm: VirtualMachine, live: Manifest, state: RestoreState | None) -> dict[str, Any]:
    assignment = facts_of(vm, prepared=True).assignment
    scheduled = scheduled_fact(vm.metadata.name, assignment)
    ties = Ties(vm.status.migration, state)
    return placement_status(live, scheduled, assignment, ties, datetime.now(UTC), vm.status.unfit_hosts)
