"""Carries out scheduling passes: the only writer of `status.assignment`.

Started by `main` with one key, so that passes never overlap; anything that may let a VM fit, start or stop
asks for a pass. Every write counts only against the version that was decided on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from quantix_api import to_manifest
from quantix_api.facts import render_conditions, subject_in
from quantix_api.messages import render
from quantix_api.resources import (
    HOSTS,
    INSTANCE_TYPES,
    NETWORKS,
    SCHEDULING_POLICIES,
    STORAGE_POOLS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_client.api import Manifest
from quantix_client.errors import Conflict, NotFound
from quantix_operator.cache import Cache
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper
from quantix_operator.objects import Objects
from quantix_operator.scheduling.assignments import Seat
from quantix_operator.scheduling.observe import observe
from quantix_operator.scheduling.pass_plan import Change, plan_pass
from quantix_operator.status_writer import SCHEDULER, StatusWriter

log = structlog.get_logger(__name__)

KEY = "placement"
# A wait shorter than this is not written (design/api.md, section 5)
SILENT_WAIT_S = 2.0
_CONFLICT_RETRY_S = 0.05


def _one_key(_obj: Manifest, _cache: Cache) -> Iterable[str]:
    return (KEY,)


_CONCERNED = (
    VIRTUAL_MACHINES,
    HOSTS,
    VOLUMES,
    STORAGE_POOLS,
    NETWORKS,
    INSTANCE_TYPES,
    SCHEDULING_POLICIES,
)


class PlacementController:
    """One pass a call."""

    name = "placement"
    concurrency = 1
    resource: Resource | None = None
    watches: Mapping[Resource, Mapper] = dict.fromkeys(_CONCERNED, _one_key)

    def __init__(self, context: Context, objects: Objects) -> None:
        self._clock = context.clock
        self._events = context.events
        self._objects = objects
        self._writer = StatusWriter(context.api, context.cache, SCHEDULER)
        self._refused_since_s: dict[str, float] = {}

    async def reconcile(self, key: str) -> float | None:
        """Decide on all VMs; returns when a wait or a restart's time is due."""
        now = datetime.now(UTC)
        plan = plan_pass(observe(self._objects), now)
        refused = {change.vm.metadata.uid for change in plan.changes if not change.urgent}
        self._refused_since_s = {uid: since for uid, since in self._refused_since_s.items() if uid in refused}
        again_s = [(plan.look_again_at - now).total_seconds()] if plan.look_again_at else []
        for change in plan.changes:
            wait_s = self._to_wait_s(change)
            if wait_s is None:
                wait_s = await self._write(change, now)
            if wait_s is not None:
                again_s.append(wait_s)
        return max(min(again_s), _CONFLICT_RETRY_S) if again_s else None

    def _to_wait_s(self, change: Change) -> float | None:
        """How long this refusal is still kept to ourselves; None when it is to be written."""
        said = change.vm.status.condition("Scheduled")
        if change.urgent or (said is not None and said.status == "False"):
            return None
        now_s = self._clock.monotonic()
        since_s = self._refused_since_s.setdefault(change.vm.metadata.uid, now_s)
        left_s = since_s + SILENT_WAIT_S - now_s
        return left_s if left_s > 0 else None

    async def _write(self, change: Change, now: datetime) -> float | None:
        """Write one change; when the VM changed meanwhile, the next pass decides anew, soon."""
        live = self._objects.manifest(change.vm)
        if live is None or live["metadata"]["resourceVersion"] != change.vm.metadata.resource_version:
            return _CONFLICT_RETRY_S
        status: dict[str, Any] = {
            "conditions": render_conditions([change.scheduled], subject_in(VIRTUAL_MACHINES, live), now)
        }
        if change.unfit:
            status["unfitHosts"] = [to_manifest(group) for group in change.unfit]
        if change.seat.epoch > 0:
            status["assignment"] = render_seat(change.seat)
        try:
            written = await self._writer.write(VIRTUAL_MACHINES, live, status, on_version=True)
        except (Conflict, NotFound):
            return _CONFLICT_RETRY_S
        if written and change.news:
            self._tell(change, live)
        return None

    def _tell(self, change: Change, live: Manifest) -> None:
        fact = change.scheduled
        log.info(
            "assignment", vm=change.vm.key, host=change.seat.host, epoch=change.seat.epoch, reason=fact.reason
        )
        if change.seat.host is not None:
            said = render("Scheduled", host=change.seat.host, epoch=change.seat.epoch)
            self._events.record(live, said.reason, said.text, action="Assign", reporter="scheduler")
        elif not change.urgent:
            self._events.record(
                live, "Unschedulable", fact.message, type="Warning", action="Assign", reporter="scheduler"
            )


def render_seat(seat: Seat) -> dict[str, Any]:
    """`status.assignment`; the epoch is never left out."""
    members = {"host": seat.host, "epoch": seat.epoch, "hold": seat.hold, "lastHost": seat.last_host}
    return {name: value for name, value in members.items() if value is not None}
