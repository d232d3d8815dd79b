"""Asks for the migrations that empty hosts in maintenance, and takes back what is needless. Run by the
dispatcher, one pass over all such hosts a call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import structlog

from quantix_api.resources import (
    HOSTS,
    LABEL_MAINTENANCE_OF,
    LABEL_MANAGED_BY,
    MANAGED_BY,
    STORAGE_POOLS,
    VIRTUAL_MACHINE_MIGRATIONS,
    VIRTUAL_MACHINES,
    Resource,
)
from quantix_client.api import Manifest
from quantix_client.errors import Conflict, Forbidden, NotFound
from quantix_client.workqueue import WorkQueue
from quantix_operator.cache import Cache
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper, OnChangeOf
from quantix_operator.host.drains import Drains
from quantix_operator.maintenance.observe import (
    IN_MAINTENANCE,
    in_maintenance,
    made_for_maintenance,
    observe,
)
from quantix_operator.maintenance.plan import Create, plan_maintenance
from quantix_operator.objects import Objects
from quantix_operator.parts import host_but_amounts, migration_but_progress, pool_but_what_is_in_it

log = structlog.get_logger(__name__)

KEY = "maintenance"
_PAUSE_S = 0.5
_CLOCK_LOOK_S = 60.0


def _while_needed(_obj: Manifest, cache: Cache) -> Iterable[str]:
    """VMs change all the time: without a host in maintenance they concern nobody."""
    needed = cache.by(HOSTS, in_maintenance, IN_MAINTENANCE)
    made = needed or cache.by(VIRTUAL_MACHINE_MIGRATIONS, made_for_maintenance, IN_MAINTENANCE)
    return (KEY,) if made else ()


class MaintenanceController:
    """`await reconcile("maintenance")`."""

    name = "maintenance"
    concurrency = 1
    resource: Resource | None = None
    watches: Mapping[Resource, Mapper] = {
        HOSTS: OnChangeOf(host_but_amounts, lambda _host, _cache: (KEY,)),
        VIRTUAL_MACHINES: _while_needed,
        VIRTUAL_MACHINE_MIGRATIONS: OnChangeOf(migration_but_progress, _while_needed),
        STORAGE_POOLS: OnChangeOf(pool_but_what_is_in_it, _while_needed),
    }

    def __init__(self, context: Context, objects: Objects, drains: Drains) -> None:
        self._api, self._cache, self._clock = context.api, context.cache, context.clock
        self._objects = objects
        self._drains = drains
        self._hosts: WorkQueue | None = None
        self._next_pass_s = 0.0

    def attach(self, queues: Mapping[str, WorkQueue]) -> None:
        """Hosts say what stays on them."""
        self._hosts = queues.get("host")

    async def reconcile(self, key: str) -> float | None:
        """One look; returns when something is to be tried again."""
        await self._clock.sleep(max(0.0, self._next_pass_s - self._clock.monotonic()))
        now = datetime.now(UTC)
        plan = plan_maintenance(observe(self._objects), now)
        # many VMs that come and go at once are few looks
        self._next_pass_s = self._clock.monotonic() + _PAUSE_S
        self._tell(plan.stays)
        again_s = []
        if plan.look_again_at is not None:
            again_s.append(min((plan.look_again_at - now).total_seconds(), _CLOCK_LOOK_S))
        for create in plan.create:
            again_s += [_PAUSE_S] if not await self._create(create) else []
        for migration in plan.cancel:
            metadata = migration.metadata
            patch = {"metadata": {"resourceVersion": metadata.resource_version}, "spec": {"cancel": True}}
            try:
                written = await self._api.patch(
                    VIRTUAL_MACHINE_MIGRATIONS, metadata.name, patch, metadata.namespace
                )
            except (Conflict, NotFound):
                again_s.append(_PAUSE_S)
            else:
                self._cache.put(VIRTUAL_MACHINE_MIGRATIONS, written)
        return max(min(again_s), _PAUSE_S) if again_s else None

    def _tell(self, stays: Mapping[str, tuple[str, str]]) -> None:
        before, self._drains.stays = self._drains.stays, stays
        for host in before.keys() | stays.keys():
            if before.get(host) != stays.get(host) and self._hosts is not None:
                self._hosts.add(host)

    async def _create(self, create: Create) -> bool:
        """Whether it was made, or is there already."""
        vm, leaving = create.leaving.vm, create.leaving
        labels = {LABEL_MANAGED_BY: MANAGED_BY, LABEL_MAINTENANCE_OF: leaving.host_uid}
        metadata = {"name": create.name, "namespace": vm.metadata.namespace, "labels": labels}
        manifest = {"metadata": metadata, "spec": {"virtualMachine": vm.metadata.name}}
        try:
            made = await self._api.create(VIRTUAL_MACHINE_MIGRATIONS, manifest)
        except Conflict:
            return True
        except (Forbidden, NotFound) as error:
            # its namespace goes, and the VM with it
            log.info("no migration is made", vm=vm.key, error=error.message)
            return False
        self._cache.put(VIRTUAL_MACHINE_MIGRATIONS, made)
        log.info("migration for maintenance", vm=vm.key, host=leaving.host, migration=create.name)
        return True
