"""One pass over all migrations a call, so that what one gets no other is promised. Run by the dispatcher."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

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
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper, OnChangeOf, Several
from quantix_operator.indexers import unfinished
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
from quantix_operator.passes import AGAIN_S, Each, Pace, one_key, while_said, while_unfinished

KEY = "migrations"
_CLOCK_LOOK_S = 60.0
# of the process' time that passes may take
_SHARE = 0.1


_while_there_are_any = while_unfinished(VIRTUAL_MACHINE_MIGRATIONS, unfinished, KEY)


class MigrationController:
    """One pass a call."""

    name = "migration"
    concurrency = 1
    resource: Resource | None = None
    watches: Mapping[Resource, Mapper] = {
        VIRTUAL_MACHINE_MIGRATIONS: OnChangeOf(migration_but_progress, one_key(KEY)),
        VIRTUAL_MACHINE_SNAPSHOTS: OnChangeOf(without_progress, _while_there_are_any),
        VIRTUAL_MACHINES: Several((_while_there_are_any, while_said("migration", KEY))),
        VOLUMES: OnChangeOf(without_progress, _while_there_are_any),
        HOSTS: OnChangeOf(host_but_amounts, _while_there_are_any),
        STORAGE_POOLS: OnChangeOf(pool_but_what_is_in_it, _while_there_are_any),
        SCHEDULING_POLICIES: _while_there_are_any,
    }

    def __init__(self, context: Context, objects: Objects) -> None:
        self._objects = objects
        self._placing = context.placing
        self._writer = Writer(context, objects)
        self._each = Each(context, self.name)
        self._pace = Pace(context.clock, _SHARE)

    async def reconcile(self, key: str) -> float | None:
        """Decide on all migrations; returns when the time of one that ended is over."""
        await self._pace.rest()
        async with self._placing:
            return await self._pass()

    async def _pass(self) -> float | None:
        now = datetime.now(UTC)
        with self._pace.working():
            plan = plan_migrations(observe(self._objects), now)
        again_s = []
        if plan.look_again_at is not None:
            again_s.append(min((plan.look_again_at - now).total_seconds(), _CLOCK_LOOK_S))
        left_s = await self._each.carry_out(plan.steps, self._writer.carry_out)
        if left_s is not None:
            again_s.append(left_s)
        return max(min(again_s), AGAIN_S) if again_s else None
