"""Asks for the migrations that empty hosts in maintenance, and takes back what is needless. Run by the
dispatcher, one pass over all such hosts a call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from quantix_api.message_table_phrases import MIGRATION_REFUSED
from quantix_api.message_text import cause_of
from quantix_api.resources import (
    HOSTS,
    LABEL_MAINTENANCE_OF,
    SCHEDULING_POLICIES,
    STORAGE_POOLS,
    VIRTUAL_MACHINE_MIGRATIONS,
    VIRTUAL_MACHINES,
    Resource,
)
from quantix_client.api import Manifest
from quantix_client.workqueue import WorkQueue
from quantix_operator.cache import Cache
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper, OnChangeOf
from quantix_operator.host.drains import BlockedHosts, Drains
from quantix_operator.maintenance.observe import (
    IN_MAINTENANCE,
    in_maintenance,
    made_for_maintenance,
    observe,
)
from quantix_operator.maintenance.plan import plan_maintenance
from quantix_operator.migration.asking import Asking, Wish
from quantix_operator.objects import Objects
from quantix_operator.parts import (
    host_but_amounts,
    migration_but_progress,
    pool_but_what_is_in_it,
    spec_alone,
)
from quantix_operator.passes import Pace, one_key

KEY = "maintenance"
_PAUSE_S = 0.5
_CLOCK_LOOK_S = 60.0
# of the process' time that looks may take
_SHARE = 0.1


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
        HOSTS: OnChangeOf(host_but_amounts, one_key(KEY)),
        VIRTUAL_MACHINES: _while_needed,
        VIRTUAL_MACHINE_MIGRATIONS: OnChangeOf(migration_but_progress, _while_needed),
        STORAGE_POOLS: OnChangeOf(pool_but_what_is_in_it, _while_needed),
        SCHEDULING_POLICIES: OnChangeOf(spec_alone, _while_needed),
    }

    def __init__(self, context: Context, objects: Objects, drains: Drains) -> None:
        self._cache = context.cache
        self._asking = Asking(context)
        self._objects = objects
        self._drains = drains
        self._hosts: WorkQueue | None = None
        self._pace = Pace(context.clock, _SHARE, _PAUSE_S)

    def attach(self, queues: Mapping[str, WorkQueue]) -> None:
        """Hosts say what stays on them."""
        self._hosts = queues.get("host")

    async def reconcile(self, key: str) -> float | None:
        """One look; returns when something is to be tried again."""
        await self._pace.rest()
        now = datetime.now(UTC)
        with self._pace.working():
            plan = plan_maintenance(observe(self._objects), now)
        stays = dict(plan.stays)
        # how full pools are wakes nobody
        again_s = [_CLOCK_LOOK_S] if plan.stays else []
        if plan.look_again_at is not None:
            again_s.append(min((plan.look_again_at - now).total_seconds(), _CLOCK_LOOK_S))
        for create in plan.create:
            label = (LABEL_MAINTENANCE_OF, create.staying.host_uid)
            if refused := await self._asking.make(Wish(create.staying.vm, create.name, label)):
                why = MIGRATION_REFUSED.format(said=cause_of(refused.said))
                stays.setdefault(create.staying.host, (create.staying.vm.metadata.name, why))
                again_s.append(refused.again_s)
        self._tell(stays)
        for migration in plan.cancel:
            if refused := await self._asking.cancel(migration):
                again_s.append(refused.again_s)
        return max(min(again_s), _PAUSE_S) if again_s else None

    def _tell(self, stays: BlockedHosts) -> None:
        """To hosts of which it is not what was found before; at the first look to all in maintenance."""
        before, self._drains.found = self._drains.found, stays
        if before is None:
            emptied = self._cache.by(HOSTS, in_maintenance, IN_MAINTENANCE)
            news = {host["metadata"]["name"] for host in emptied}
        else:
            news = {host for host in before.keys() | stays.keys() if before.get(host) != stays.get(host)}
        if self._hosts is not None:
            for host in sorted(news):
                self._hosts.add(host)
