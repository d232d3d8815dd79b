"""Carries out the steps of one restore, each as one write that may be repeated.

Called by the controller with the lock of placements held.
"""

from __future__ import annotations

import structlog

from quantix_api import RestoreState, VirtualMachine
from quantix_api.resources import VIRTUAL_MACHINE_RESTORES
from quantix_client.errors import NotFound
from quantix_operator.context import Context
from quantix_operator.objects import Objects
from quantix_operator.restore.model import Action, Choose, Leave, LetGo, LetGoLeft, Name, Steps, Task
from quantix_operator.restore.status import chosen_status, left_status
from quantix_operator.scheduling.tying import TieWriter
from quantix_operator.scheduling.writing import Ties
from quantix_operator.vmwork.apply import Failure, WorkWriter
from quantix_operator.vmwork.telling import Release, Tell

log = structlog.get_logger(__name__)

_FAILURE = Failure("RestoreFailed", "Restore")


class Writer:
    """`await carry_out(steps)`."""

    def __init__(self, context: Context, objects: Objects) -> None:
        self._api = context.api
        self._writer = WorkWriter(context, objects, VIRTUAL_MACHINE_RESTORES, _FAILURE)
        self._vms = TieWriter(context, objects)

    async def carry_out(self, steps: Steps | LetGoLeft) -> None:
        """All of them, in their order. Raises Conflict or NotFound at the first that finds another state."""
        if isinstance(steps, LetGoLeft):
            await self._let_go_left(steps.about)
            return
        for action in steps.actions:
            await self._one(action, steps.task)

    async def _one(self, action: Action, task: Task) -> None:
        restore = task.restore
        match action:
            case Name():
                await self._writer.keep(restore)
                state = RestoreState(uid=restore.metadata.uid, name=restore.metadata.name)
                await self._hold(task.vm, state)
            case LetGo():
                await self._hold(task.vm, None)
            case Choose():
                await self._writer.choose(restore, chosen_status(action))
            case Tell():
                await self._writer.tell(restore, action, task.vm, restore.spec.snapshot)
            case Leave():
                await self._writer.leave(restore, left_status(action))
            case Release():
                await self._writer.release(restore)

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

    async def _hold(self, vm: VirtualMachine | None, state: RestoreState | None) -> None:
        if vm is None:
            raise NotFound("the VM is gone")
        await self._vms.tie(vm, Ties(vm.status.migration, state))
