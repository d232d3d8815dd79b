"""Carries out the steps of one migration, each as one write that may be repeated.

Called by the controller with the lock of placements held. A write of a VM counts only against the version
that was decided on: whoever was faster makes it a Conflict, and the next pass decides anew.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import structlog

from quantix_api import VirtualMachine, VirtualMachineMigration
from quantix_api.message_text import cause_of
from quantix_api.messages import render
from quantix_api.resources import (
    MANAGER_SCHEDULER,
    VIRTUAL_MACHINE_MIGRATIONS,
    VIRTUAL_MACHINES,
    VOLUMES,
)
from quantix_api.vm_status import MigrationState
from quantix_client.api import Manifest
from quantix_client.errors import NotFound
from quantix_operator.context import Context
from quantix_operator.finalizers import Finalizers
from quantix_operator.migration.model import (
    Action,
    Choose,
    CutOver,
    GiveVolume,
    LetGo,
    Name,
    Remove,
    Steps,
)
from quantix_operator.migration.status import chosen_status, migration_status
from quantix_operator.migration.verdicts import lost_on_the_way
from quantix_operator.objects import Objects
from quantix_operator.scheduling.assignments import Assignment
from quantix_operator.scheduling.tying import TieWriter
from quantix_operator.scheduling.writing import Ties
from quantix_operator.status_writer import StatusWriter
from quantix_operator.vmwork.telling import Release, Tell

log = structlog.get_logger(__name__)


class Writer:
    """`await carry_out(steps)`."""

    def __init__(self, context: Context, objects: Objects) -> None:
        self._api, self._cache, self._events = context.api, context.cache, context.events
        self._objects = objects
        self._operator = StatusWriter(context.api, context.cache)
        self._scheduler = StatusWriter(context.api, context.cache, MANAGER_SCHEDULER)
        self._vms = TieWriter(context, objects)
        self._finalizers = Finalizers(context.api, context.cache, VIRTUAL_MACHINE_MIGRATIONS)

    async def carry_out(self, steps: Steps) -> None:
        """All of them, in their order. Raises Conflict or NotFound at the first that finds another state."""
        migration, vm = steps.move.migration, steps.move.vm
        for action in steps.actions:
            await self._one(action, migration, vm)

    async def _one(
        self, action: Action, migration: VirtualMachineMigration, vm: VirtualMachine | None
    ) -> None:
        match action:
            case Choose():
                await self._choose(migration, action)
            case GiveVolume():
                placed = {"host": action.host, "confirmedHost": action.host}
                live = self._objects.live(action.volume)
                await self._scheduler.write(VOLUMES, live, placed, on_version=True)
            case Tell():
                await self._tell(migration, action)
            case Remove():
                metadata = migration.metadata
                await self._api.delete(
                    VIRTUAL_MACHINE_MIGRATIONS, metadata.name, metadata.namespace, uid=metadata.uid
                )
            case Release():
                await self._finalizers.release(self._objects.live(migration))
            case _:
                if vm is None:
                    raise NotFound("the VM is gone")
                await self._write_vm(action, migration, vm)

    async def _choose(self, migration: VirtualMachineMigration, chosen: Choose) -> None:
        held = await self._finalizers.ensure(self._objects.live(migration))
        if held is None:
            raise NotFound("the migration is gone")
        status = chosen_status(chosen)
        await self._scheduler.write(VIRTUAL_MACHINE_MIGRATIONS, held, status, on_version=True)

    async def _write_vm(
        self, action: Name | CutOver | LetGo, migration: VirtualMachineMigration, vm: VirtualMachine
    ) -> None:
        assignment: Assignment | None = None
        state: MigrationState | None = None
        if isinstance(action, Name):
            metadata = migration.metadata
            state = MigrationState(
                uid=metadata.uid, name=metadata.name, source_host=action.source, target_host=action.target
            )
        elif isinstance(action, CutOver):
            assignment = Assignment(action.target, action.epoch)
        before = await self._vms.tie(vm, Ties(state, vm.status.restore), assignment)
        if before is not None:
            self._tell_vm(action, migration, before)

    async def _tell(self, migration: VirtualMachineMigration, told: Tell) -> None:
        live = self._objects.live(migration)
        status = migration_status(live, told, datetime.now(UTC))
        written = await self._operator.write(VIRTUAL_MACHINE_MIGRATIONS, live, status, on_version=True)
        if not written or (live.get("status") or {}).get("phase") == told.phase:
            return
        log.info("migration", migration=migration.key, phase=told.phase, reason=told.ready.reason)
        began = migration.status.source_host
        vm = self._cache.get(
            VIRTUAL_MACHINES, f"{migration.metadata.namespace}/{migration.spec.virtual_machine}"
        )
        if told.ended and told.ready.status != "True" and vm is not None and began:
            why = f"{cause_of(told.ready.message)} ({told.ready.reason})"
            how = {"lost": migration.status.target_host} if lost_on_the_way(migration) else {"why": why}
            said = render("MigrationFailed", source=began, **how)
            if told.phase == "Cancelled":
                said = render("MigrationCancelled", source=began)
            self._record(vm, said.reason, said.text, is_warning=told.phase == "Failed")

    def _tell_vm(
        self, action: Name | CutOver | LetGo, migration: VirtualMachineMigration, live: Manifest
    ) -> None:
        status = migration.status
        if isinstance(action, Name):
            said = render("MigrationStarted", source=action.source, target=action.target)
        elif isinstance(action, CutOver) and not lost_on_the_way(migration):
            said = render("Migrated", source=status.source_host, target=action.target)
        else:
            return
        log.info("virtual machine", vm=migration.spec.virtual_machine, reason=said.reason)
        self._record(live, said.reason, said.text)

    def _record(self, live: Manifest, reason: str, text: str, *, is_warning: bool = False) -> None:
        kind: Any = "Warning" if is_warning else "Normal"
        self._events.record(live, reason, text, type=kind, action="Migrate", reporter="scheduler")
