"""The part of a scripted hostd in snapshots and restores: what their host says, without any data
(docs/adr/0050).

Called by `ScriptedHostd` at every look.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from quantix_api.facts import Fact, render_conditions, subject_in, with_kstatus
from quantix_api.resources import (
    MANAGER_HOSTD,
    VIRTUAL_MACHINE_RESTORES,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINES,
    Resource,
)
from quantix_api.virtual_machine_snapshot import OVER
from quantix_client.api import ApiClient, Manifest
from quantix_client.apply import apply_if_changed
from quantix_client.errors import Conflict, NotFound

_MOMENT = "2026-11-24T10:00:00Z"


@dataclass
class ScriptedSnapshots:
    """`held`: names of VMs whose snapshots and restores do not end; `deaf`: of which nothing is said."""

    api: ApiClient
    host: str
    held: set[str] = field(default_factory=set)
    deaf: set[str] = field(default_factory=set)

    async def look(self) -> None:
        """One look at the snapshots and restores of this host."""
        for resource, act in (
            (VIRTUAL_MACHINE_SNAPSHOTS, self._snapshot),
            (VIRTUAL_MACHINE_RESTORES, self._restore),
        ):
            selector = f"status.host={self.host}"
            for live in (await self.api.list(resource, field_selector=selector)).items:
                if live["spec"]["virtualMachine"] not in self.deaf:
                    # overtaken by another writer: again at the next look
                    with suppress(Conflict, NotFound):
                        await act(live)

    async def _snapshot(self, live: Manifest) -> None:
        status, going = live.get("status") or {}, live["metadata"].get("deletionTimestamp")
        if going:
            # what was said once it was taken stands
            kept = {name: status[name] for name in ("takenAt", "config") if name in status}
            ended = {**kept, "phase": status.get("phase", "Failed"), "data": "Absent"}
            await self._say(VIRTUAL_MACHINE_SNAPSHOTS, live, ended, Fact("Ready", "False", "Deleting"))
        elif status.get("phase") in OVER:
            return
        elif live["spec"]["virtualMachine"] in self.held:
            taking = {"phase": "Taking", "data": "Present", "progress": {"percent": 40}}
            await self._say(VIRTUAL_MACHINE_SNAPSHOTS, live, taking, Fact("Ready", "False", "Taking"))
        else:
            await self._take(live)

    async def _take(self, live: Manifest) -> None:
        name, namespace = live["spec"]["virtualMachine"], live["metadata"]["namespace"]
        vm = await self.api.get(VIRTUAL_MACHINES, name, namespace)
        kept = [
            {"name": disk["name"], "handle": f"{live['metadata']['uid']}/{disk['name']}", "size": "1Gi"}
            for disk in live["status"]["disks"]
        ]
        taken = {"phase": "Ready", "data": "Present", "takenAt": _MOMENT, "config": vm["spec"], "disks": kept}
        frozen = Fact("Quiesced", "True", "Frozen")
        await self._say(VIRTUAL_MACHINE_SNAPSHOTS, live, taken, Fact("Ready", "True", "Taken"), frozen)

    async def _restore(self, live: Manifest) -> None:
        if (live.get("status") or {}).get("phase") == "Restored":
            return
        if live["spec"]["virtualMachine"] in self.held:
            restoring = Fact("Ready", "False", "Restoring")
            await self._say(VIRTUAL_MACHINE_RESTORES, live, {"phase": "Restoring"}, restoring)
            return
        restored = {"phase": "Restored", "finishedAt": _MOMENT}
        await self._say(VIRTUAL_MACHINE_RESTORES, live, restored, Fact("Ready", "True", "Restored"))

    async def _say(
        self, resource: Resource, live: Manifest, status: dict[str, Any], ready: Fact, *others: Fact
    ) -> None:
        facts = [*with_kstatus(ready), *others]
        conditions = render_conditions(facts, subject_in(resource, live), datetime.now(UTC))
        generation = live["metadata"]["generation"]
        whole = {**status, "observedGeneration": generation, "conditions": conditions}
        await apply_if_changed(
            self.api, resource, live, {"status": whole}, manager=MANAGER_HOSTD, on_version=True
        )
