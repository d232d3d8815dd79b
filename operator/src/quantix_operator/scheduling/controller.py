"""Carries out scheduling passes: the writer of `status.assignment`, but of VMs that move while they run, or
that a restore holds off (`tying`).

Started by `controllers` with one key, so that passes never overlap; anything that may let a VM fit, start or
stop asks for a pass. Every write counts only against the version that was decided on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import structlog

from quantix_api.messages import render
from quantix_api.resources import (
    HOSTS,
    INSTANCE_TYPES,
    MANAGER_SCHEDULER,
    NETWORKS,
    SCHEDULING_POLICIES,
    STORAGE_POOLS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_client.api import Manifest
from quantix_client.errors import Conflict, NotFound
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper, OnChangeOf
from quantix_operator.objects import Objects
from quantix_operator.parts import host_but_amounts, pool_but_what_is_in_it, volume_but_its_making
from quantix_operator.passes import Each, Pace, one_key
from quantix_operator.scheduling.keepers import confirm_keepers
from quantix_operator.scheduling.observe import observe
from quantix_operator.scheduling.pass_plan import Change, plan_pass
from quantix_operator.scheduling.writing import placement_status, ties_of
from quantix_operator.status_writer import StatusWriter

log = structlog.get_logger(__name__)

KEY = "placement"
# A wait shorter than this is not written (design/api.md, section 5)
SILENT_WAIT_S = 2.0
RETELL_S = 60.0
_CLOCK_LOOK_S = 60.0
_CONFLICT_RETRY_S = 0.05
# of the process' time that passes may take
_SHARE = 0.1

_THIS = one_key(KEY)
_CONCERNED = (
    VIRTUAL_MACHINES,
    NETWORKS,
    INSTANCE_TYPES,
    SCHEDULING_POLICIES,
)


class PlacementController:
    """One pass a call."""

    name = "placement"
    concurrency = 1
    resource: Resource | None = None
    watches: Mapping[Resource, Mapper] = {
        **dict.fromkeys(_CONCERNED, _THIS),
        HOSTS: OnChangeOf(host_but_amounts, _THIS),
        STORAGE_POOLS: OnChangeOf(pool_but_what_is_in_it, _THIS),
        VOLUMES: OnChangeOf(volume_but_its_making, _THIS),
    }

    def __init__(self, context: Context, objects: Objects) -> None:
        self._clock = context.clock
        self._events = context.events
        self._objects = objects
        self._placing = context.placing
        self._writer = StatusWriter(context.api, context.cache, MANAGER_SCHEDULER)
        self._refused_since_s: dict[str, float] = {}
        self._told_s: dict[str, float] = {}
        self._each = Each(context, self.name)
        self._pace = Pace(context.clock, _SHARE)

    async def reconcile(self, key: str) -> float | None:
        """Decide on all VMs; returns when a wait or a restart's time is due."""
        await self._pace.rest()
        async with self._placing:
            return await self._pass()

    async def _pass(self) -> float | None:
        now = datetime.now(UTC)
        with self._pace.working():
            plan = plan_pass(observe(self._objects), now)
        refused = {change.vm.metadata.uid for change in plan.changes if not change.urgent}
        self._refused_since_s = {uid: since for uid, since in self._refused_since_s.items() if uid in refused}
        self._told_s = {uid: told for uid, told in self._told_s.items() if uid in refused}
        again_s = [look_again_s(plan.look_again_at, now)] if plan.look_again_at else []
        due = []
        for change in plan.changes:
            wait_s = self._to_wait_s(change)
            if wait_s is None:
                due.append(change)
            else:
                again_s.append(wait_s)

        async def write(change: Change) -> None:
            retry_s = await self._write(change, now)
            again_s.extend(() if retry_s is None else (retry_s,))

        left_s = await self._each.carry_out(due, write)
        again_s.extend(() if left_s is None else (left_s,))
        return max(min(again_s), _CONFLICT_RETRY_S) if again_s else None

    def _to_wait_s(self, change: Change) -> float | None:
        """How long this refusal is still kept to ourselves; None when it is to be written."""
        vm, now_s = change.vm, self._clock.monotonic()
        said = vm.status.condition("Scheduled")
        if change.urgent:
            return None
        if said is None or said.status != "False":
            since_s = self._refused_since_s.setdefault(vm.metadata.uid, now_s)
            left_s = since_s + SILENT_WAIT_S - now_s
        elif said.reason != change.scheduled.reason or said.observed_generation != vm.metadata.generation:
            return None
        else:
            # what is free changes with every VM that comes or goes: no write of each that waits for that
            left_s = self._told_s.get(vm.metadata.uid, now_s - RETELL_S) + RETELL_S - now_s
        return left_s if left_s > 0 else None

    async def _write(self, change: Change, now: datetime) -> float | None:
        """Write one change; when the VM changed meanwhile, the next pass decides anew, soon."""
        live = self._objects.manifest(change.vm)
        if live is None or live["metadata"]["resourceVersion"] != change.vm.metadata.resource_version:
            return _CONFLICT_RETRY_S
        status = placement_status(
            live, change.scheduled, change.assignment, ties_of(change.vm), now, change.unfit
        )
        try:
            if change.assignment.host is not None:
                await confirm_keepers(self._writer, self._objects, change.vm, change.assignment.host)
            written = await self._writer.write(VIRTUAL_MACHINES, live, status, on_version=True)
        except (Conflict, NotFound):
            return _CONFLICT_RETRY_S
        if written and not change.urgent:
            self._told_s[change.vm.metadata.uid] = self._clock.monotonic()
        if written and change.news:
            self._tell(change, live)
        return None

    def _tell(self, change: Change, live: Manifest) -> None:
        fact = change.scheduled
        log.info(
            "assignment",
            vm=change.vm.key,
            host=change.assignment.host,
            epoch=change.assignment.epoch,
            reason=fact.reason,
        )
        if change.assignment.host is not None:
            said = render("Scheduled", host=change.assignment.host, epoch=change.assignment.epoch)
            self._events.record(live, said.reason, said.text, action="Assign", reporter="scheduler")
            self._tell_without(change, live)
        elif not change.urgent:
            self._events.record(
                live, "Unschedulable", fact.message, type="Warning", action="Assign", reporter="scheduler"
            )

    def _tell_without(self, change: Change, live: Manifest) -> None:
        if not change.without:
            return
        names, seconds = ", ".join(change.without), change.vm.spec.ha.after_timeout_seconds
        said = render("StartedWithout", names=names, seconds=seconds)
        self._events.record(
            live, said.reason, said.text, type="Warning", action="Assign", reporter="scheduler"
        )


def look_again_s(at: datetime, now: datetime) -> float:
    """Seconds until a time that a user named; a far one is looked at again, since the clock may be set."""
    return min((at - now).total_seconds(), _CLOCK_LOOK_S)
