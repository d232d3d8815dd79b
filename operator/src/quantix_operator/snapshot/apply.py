"""Carries out the steps of one snapshot, each as one write that may be repeated.

Called by the controller with the lock of placements held.
"""

from __future__ import annotations

from quantix_api.resources import VIRTUAL_MACHINE_SNAPSHOTS
from quantix_operator.context import Context
from quantix_operator.objects import Objects
from quantix_operator.snapshot.model import Action, Choose, Hand, Leave, Shot, Steps, TakeBack
from quantix_operator.snapshot.status import chosen_status
from quantix_operator.vmwork.apply import Failure, WorkWriter
from quantix_operator.vmwork.telling import Release, Tell

_FAILURE = Failure("SnapshotFailed", "Snapshot")


class Writer:
    """`await carry_out(steps)`."""

    def __init__(self, context: Context, objects: Objects) -> None:
        self._writer = WorkWriter(context, objects, VIRTUAL_MACHINE_SNAPSHOTS, _FAILURE)

    async def carry_out(self, steps: Steps) -> None:
        """All of them, in their order. Raises Conflict or NotFound at the first that finds another state."""
        for action in steps.actions:
            await self._one(action, steps.shot)

    async def _one(self, action: Action, shot: Shot) -> None:
        snapshot = shot.snapshot
        match action:
            case Choose():
                await self._writer.choose(snapshot, chosen_status(action))
            case TakeBack():
                await self._writer.take_back(snapshot)
            case Hand():
                await self._writer.hand(snapshot, action.host)
            case Tell():
                await self._writer.tell(snapshot, action, shot.vm, snapshot.metadata.name)
            case Leave():
                await self._writer.leave(snapshot, {})
            case Release():
                await self._writer.release(snapshot)
