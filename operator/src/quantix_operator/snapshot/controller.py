"""One pass over all snapshots a call, so that a VM has one taken at a time. Run by the dispatcher."""

from __future__ import annotations

from collections.abc import Mapping

from quantix_api.resources import (
    HOSTS,
    STORAGE_POOLS,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper, OnChangeOf
from quantix_operator.indexers import open_or_going
from quantix_operator.objects import Objects
from quantix_operator.parts import host_but_amounts, pool_but_what_is_in_it, without_progress
from quantix_operator.passes import Each, Pace, one_key, while_unfinished
from quantix_operator.snapshot.apply import Writer
from quantix_operator.snapshot.observe import observe
from quantix_operator.snapshot.plan import plan_snapshots

KEY = "snapshots"
# of the process' time that passes may take
_SHARE = 0.1


_while_there_are_any = while_unfinished(VIRTUAL_MACHINE_SNAPSHOTS, open_or_going, KEY)


class SnapshotController:
    """One pass a call."""

    name = "snapshot"
    concurrency = 1
    resource: Resource | None = None
    watches: Mapping[Resource, Mapper] = {
        VIRTUAL_MACHINE_SNAPSHOTS: OnChangeOf(without_progress, one_key(KEY)),
        VIRTUAL_MACHINES: _while_there_are_any,
        VOLUMES: OnChangeOf(without_progress, _while_there_are_any),
        HOSTS: OnChangeOf(host_but_amounts, _while_there_are_any),
        STORAGE_POOLS: OnChangeOf(pool_but_what_is_in_it, _while_there_are_any),
    }

    def __init__(self, context: Context, objects: Objects) -> None:
        self._objects = objects
        self._placing = context.placing
        self._writer = Writer(context, objects)
        self._each = Each(context, self.name)
        self._pace = Pace(context.clock, _SHARE)

    async def reconcile(self, key: str) -> float | None:
        """Decide on all snapshots."""
        await self._pace.rest()
        async with self._placing:
            with self._pace.working():
                decided = plan_snapshots(observe(self._objects))
            return await self._each.carry_out(decided, self._writer.carry_out)
