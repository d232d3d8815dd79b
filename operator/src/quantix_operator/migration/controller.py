"""One pass over all migrations a call, so that what one gets no other is promised. Run by the dispatcher."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import structlog

from quantix_api.resources import (
    HOSTS,
    SCHEDULING_POLICIES,
    STORAGE_POOLS,
    VIRTUAL_MACHINE_MIGRATIONS,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_client.api import Manifest
from quantix_client.clock import rest_s
from quantix_client.errors import Conflict, NotFound
from quantix_operator.cache import Cache
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper, OnChangeOf
from quantix_operator.indexers import UNFINISHED, unfinished
from quantix_operator.migration.apply import Writer
from quantix_operator.migration.observe import observe
from quantix_operator.migration.plan import plan_migrations
from quantix_operator.objects import Objects
from quantix_operator.parts import (
    host_but_amounts,
    migration_but_progress,
    pool_but_what_is_in_it,
    without_progress,
)

log = structlog.get_logger(__name__)

KEY = "migrations"
_AGAIN_S = 0.05
_CLOCK_LOOK_S = 60.0
# of the process' time that passes may take
_SHARE = 0.1


def _while_there_are_any(_obj: Manifest, cache: Cache) -> Iterable[str]:
    """Hosts and VMs change all the time: without a migration that waits or goes on they concern nobody."""
    return (KEY,) if cache.by(VIRTUAL_MACHINE_MIGRATIONS, unfinished, UNFINISHED) else ()


def _of_vm(vm: Manifest, cache: Cache) -> Iterable[str]:
    return (KEY,) if (vm.get("status") or {}).get("migration") else _while_there_are_any(vm, cache)


def _one_key(_obj: Manifest, _cache: Cache) -> Iterable[str]:
    return (KEY,)


class MigrationController:
    """One pass a call."""

    name = "migration"
    concurrency = 1
    resource: Resource | None = None
    watches: Mapping[Resource, Mapper] = {
        VIRTUAL_MACHINE_MIGRATIONS: OnChangeOf(migration_but_progress, _one_key),
        VIRTUAL_MACHINE_SNAPSHOTS: OnChangeOf(without_progress, _while_there_are_any),
        VIRTUAL_MACHINES: _of_vm,
        VOLUMES: OnChangeOf(without_progress, _while_there_are_any),
        HOSTS: OnChangeOf(host_but_amounts, _while_there_are_any),
        STORAGE_POOLS: OnChangeOf(pool_but_what_is_in_it, _while_there_are_any),
        SCHEDULING_POLICIES: _while_there_are_any,
    }

    def __init__(self, context: Context, objects: Objects) -> None:
        self._clock = context.clock
        self._objects = objects
        self._placing = context.placing
        self._writer = Writer(context, objects)
        self._next_pass_s = 0.0

    async def reconcile(self, key: str) -> float | None:
        """Decide on all migrations; returns when the time of one that ended is over."""
        await self._clock.sleep(max(0.0, self._next_pass_s - self._clock.monotonic()))
        async with self._placing:
            return await self._pass()

    async def _pass(self) -> float | None:
        now, began_s = datetime.now(UTC), self._clock.monotonic()
        plan = plan_migrations(observe(self._objects), now)
        ended_s = self._clock.monotonic()
        self._next_pass_s = ended_s + rest_s(ended_s - began_s, _SHARE)
        again_s = []
        if plan.look_again_at is not None:
            again_s.append(min((plan.look_again_at - now).total_seconds(), _CLOCK_LOOK_S))
        for steps in plan.steps:
            try:
                await self._writer.carry_out(steps)
            except (Conflict, NotFound) as error:
                log.info("somebody was faster", migration=steps.move.migration.key, error=error.message)
                again_s.append(_AGAIN_S)
        return max(min(again_s), _AGAIN_S) if again_s else None
