"""One pass over all restores a call, so that a VM is set back by one at a time. Run by the dispatcher."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import structlog

from quantix_api.resources import (
    HOSTS,
    STORAGE_POOLS,
    VIRTUAL_MACHINE_RESTORES,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_client.api import Manifest
from quantix_client.errors import Conflict, NotFound
from quantix_operator.cache import Cache
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper, OnChangeOf
from quantix_operator.indexers import UNFINISHED, open_or_going
from quantix_operator.objects import Objects
from quantix_operator.parts import host_but_amounts, pool_but_what_is_in_it, without_progress
from quantix_operator.restore.apply import Writer
from quantix_operator.restore.observe import observe
from quantix_operator.restore.plan import plan_restores

log = structlog.get_logger(__name__)

KEY = "restores"
_AGAIN_S = 0.05


def _while_there_are_any(_obj: Manifest, cache: Cache) -> Iterable[str]:
    """VMs and hosts change all the time: without a restore they concern nobody."""
    return (KEY,) if cache.by(VIRTUAL_MACHINE_RESTORES, open_or_going, UNFINISHED) else ()


def _of_vm(vm: Manifest, cache: Cache) -> Iterable[str]:
    return (KEY,) if (vm.get("status") or {}).get("restore") else _while_there_are_any(vm, cache)


def _one_key(_obj: Manifest, _cache: Cache) -> Iterable[str]:
    return (KEY,)


class RestoreController:
    """One pass a call."""

    name = "restore"
    concurrency = 1
    resource: Resource | None = None
    watches: Mapping[Resource, Mapper] = {
        VIRTUAL_MACHINE_RESTORES: OnChangeOf(without_progress, _one_key),
        VIRTUAL_MACHINE_SNAPSHOTS: OnChangeOf(without_progress, _while_there_are_any),
        VIRTUAL_MACHINES: _of_vm,
        VOLUMES: OnChangeOf(without_progress, _while_there_are_any),
        HOSTS: OnChangeOf(host_but_amounts, _while_there_are_any),
        STORAGE_POOLS: OnChangeOf(pool_but_what_is_in_it, _while_there_are_any),
    }

    def __init__(self, context: Context, objects: Objects) -> None:
        self._objects = objects
        self._placing = context.placing
        self._writer = Writer(context, objects)

    async def reconcile(self, key: str) -> float | None:
        """Decide on all restores."""
        async with self._placing:
            again_s = None
            observed = observe(self._objects)
            for steps in plan_restores(observed):
                try:
                    await self._writer.carry_out(steps)
                except (Conflict, NotFound) as error:
                    log.info("somebody was faster", restore=steps.task.restore.key, error=error.message)
                    again_s = _AGAIN_S
            for vm in observed.left:
                try:
                    await self._writer.let_go_left(vm)
                except (Conflict, NotFound) as error:
                    log.info("somebody was faster", vm=vm.key, error=error.message)
                    again_s = _AGAIN_S
            return again_s
