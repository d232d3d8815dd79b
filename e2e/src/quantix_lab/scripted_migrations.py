"""The part of a scripted hostd in migrations: what source and target say, without any guest (docs/adr/0044).

Called by `ScriptedHostd` at every look. A host acts only while the VM names the migration.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from quantix_api import VirtualMachine, VirtualMachineMigration
from quantix_api.resources import (
    MANAGER_SOURCE,
    MANAGER_TARGET,
    VIRTUAL_MACHINE_MIGRATIONS,
    VIRTUAL_MACHINES,
)
from quantix_client.api import ApiClient, Manifest
from quantix_client.apply import apply_if_changed
from quantix_client.errors import Conflict, NotFound

_MEMORY_BYTES = 1 << 30


@dataclass
class ScriptedMigrations:
    """`held`: VMs (names) whose copy does not end; `refused`: those that this host does not receive;
    `deaf`: those whose migrations this host says nothing about.
    """

    api: ApiClient
    host: str
    held: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    deaf: set[str] = field(default_factory=set)

    async def look(self) -> None:
        """One look at the migrations from here and to here."""
        for role, act in (("sourceHost", self._as_source), ("targetHost", self._as_target)):
            selector = f"status.{role}={self.host}"
            for live in (await self.api.list(VIRTUAL_MACHINE_MIGRATIONS, field_selector=selector)).items:
                migration = VirtualMachineMigration.parse(live)
                if migration.spec.virtual_machine in self.deaf:
                    continue
                vm = await self._vm(migration)
                # overtaken by another writer: again at the next look
                with suppress(Conflict, NotFound):
                    await act(live, migration, vm)

    async def _vm(self, migration: VirtualMachineMigration) -> VirtualMachine | None:
        name, namespace = migration.spec.virtual_machine, migration.metadata.namespace
        try:
            vm = VirtualMachine.parse(await self.api.get(VIRTUAL_MACHINES, name, namespace))
        except NotFound:
            return None
        named = vm.status.migration
        return vm if named is not None and named.uid == migration.metadata.uid else None

    async def _as_source(
        self, live: Manifest, migration: VirtualMachineMigration, vm: VirtualMachine | None
    ) -> None:
        source, target = migration.status.source, migration.status.target
        if vm is None or vm.status.assignment is None or (source is not None and source.outcome):
            return
        asked = migration.spec.cancel or migration.deleting
        refused = target is not None and target.outcome == "Refused"
        if asked or refused or vm.deleting or vm.spec.power_state == "Stopped":
            reason = "Cancelled" if asked else "TargetFailed" if refused else "NotRunning"
            said = {"outcome": "GaveUp", "reason": reason, "message": "somebody wants it so."}
            await self._say(live, MANAGER_SOURCE, {"source": said})
        elif target is not None and target.prepared:
            begun = {"mode": "PreCopy", "dirtyBytesPerSecond": 1000}
            done = _MEMORY_BYTES // 2
            progress = {"doneBytes": done, "totalBytes": _MEMORY_BYTES, "percent": 50}
            if vm.metadata.name not in self.held and source is not None:
                epoch = vm.status.assignment.epoch + 1
                begun |= {"outcome": "HandedOver", "epoch": epoch, "downtimeMilliseconds": 300}
                progress |= {"doneBytes": _MEMORY_BYTES, "percent": 100}
            await self._say(live, MANAGER_SOURCE, {"source": begun, "progress": progress})

    async def _as_target(
        self, live: Manifest, migration: VirtualMachineMigration, vm: VirtualMachine | None
    ) -> None:
        source, target = migration.status.source, migration.status.target
        outcome = target.outcome if target is not None else None
        if source is not None and source.outcome == "GaveUp":
            if outcome != "Gone" and target is not None:
                await self._say(live, MANAGER_TARGET, {"target": {"outcome": "Gone"}})
        elif vm is None or outcome:
            return
        elif source is not None and source.outcome == "HandedOver":
            running = {"prepared": True, "outcome": "Running", "epoch": source.epoch}
            await self._say(live, MANAGER_TARGET, {"target": running})
        elif vm.metadata.name in self.refused:
            said = {"outcome": "Refused", "reason": "TargetFailed", "message": "it does not know pool fast"}
            await self._say(live, MANAGER_TARGET, {"target": said})
        else:
            await self._say(live, MANAGER_TARGET, {"target": {"prepared": True}})

    async def _say(self, live: Manifest, manager: str, status: dict[str, Any]) -> None:
        await apply_if_changed(
            self.api, VIRTUAL_MACHINE_MIGRATIONS, live, {"status": status}, manager=manager, on_version=True
        )
