"""Carries out the steps of one snapshot, each as one write that may be repeated.

Called by the controller with the lock of placements held.
"""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from quantix_api import VirtualMachineSnapshot
from quantix_api.message_text import cause_of
from quantix_api.messages import render
from quantix_api.resources import MANAGER_SCHEDULER, VIRTUAL_MACHINE_SNAPSHOTS
from quantix_client.api import Manifest
from quantix_client.errors import NotFound
from quantix_operator.context import Context
from quantix_operator.diskset.telling import Release, Tell, told_status
from quantix_operator.finalizers import Finalizers
from quantix_operator.objects import Objects
from quantix_operator.snapshot.model import Action, Choose, Leave, Shot, Steps, TakeBack
from quantix_operator.snapshot.status import chosen_status
from quantix_operator.status_writer import StatusWriter

log = structlog.get_logger(__name__)


class Writer:
    """`await carry_out(steps)`."""

    def __init__(self, context: Context, objects: Objects) -> None:
        self._events, self._objects = context.events, objects
        self._operator = StatusWriter(context.api, context.cache)
        self._scheduler = StatusWriter(context.api, context.cache, MANAGER_SCHEDULER)
        self._finalizers = Finalizers(context.api, context.cache, VIRTUAL_MACHINE_SNAPSHOTS)

    async def carry_out(self, steps: Steps) -> None:
        """All of them, in their order. Raises Conflict or NotFound at the first that finds another state."""
        for action in steps.actions:
            await self._one(action, steps.shot)

    async def _one(self, action: Action, shot: Shot) -> None:
        live = self._live(shot.snapshot)
        match action:
            case Choose():
                held = await self._finalizers.ensure(live)
                if held is None:
                    raise NotFound("the snapshot is gone")
                status = chosen_status(action)
                await self._scheduler.write(VIRTUAL_MACHINE_SNAPSHOTS, held, status, on_version=True)
                log.info("snapshot", snapshot=shot.snapshot.key, host=action.host)
            case TakeBack():
                await self._scheduler.write(VIRTUAL_MACHINE_SNAPSHOTS, live, {}, on_version=True)
                log.info("snapshot is chosen anew", snapshot=shot.snapshot.key)
            case Tell():
                await self._tell(action, shot, live)
            case Leave():
                await self._operator.write(VIRTUAL_MACHINE_SNAPSHOTS, live, {}, leave_ready=True)
            case Release():
                await self._finalizers.release(live)

    async def _tell(self, told: Tell, shot: Shot, live: Manifest) -> None:
        status = told_status(VIRTUAL_MACHINE_SNAPSHOTS, live, told, datetime.now(UTC))
        written = await self._operator.write(VIRTUAL_MACHINE_SNAPSHOTS, live, status, on_version=True)
        vm = self._objects.manifest(shot.vm) if shot.vm is not None else None
        if not written or not told.ended or vm is None:
            return
        log.info("snapshot", snapshot=shot.snapshot.key, phase=told.phase, reason=told.ready.reason)
        why = f"{cause_of(told.ready.message)} ({told.ready.reason})"
        said = render("SnapshotFailed", snapshot=shot.snapshot.metadata.name, why=why)
        self._events.record(
            vm, said.reason, said.text, type="Warning", action="Snapshot", reporter="scheduler"
        )

    def _live(self, snapshot: VirtualMachineSnapshot) -> Manifest:
        found = self._objects.manifest(snapshot)
        if found is None:
            raise NotFound(f"{snapshot.key} is gone")
        return found
