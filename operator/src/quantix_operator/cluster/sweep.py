"""Removes northbound rows whose object is gone for good, unless there are suspiciously many.

Run by the cluster's controller now and then. An object leaves only after its rows (the finalizer sees to it),
so there is something to sweep only when somebody took the finalizer away by hand, or the API was restored
from an older state.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime

import structlog

from quantix_api.resources import (
    CLUSTER_CONFIG_MAP,
    CONFIG_MAPS,
    FLOATING_IPS,
    NAMESPACE_SYSTEM,
    NETWORKS,
    ROUTERS,
    SECURITY_GROUPS,
    VIRTUAL_MACHINES,
)
from quantix_api.times import parse_time
from quantix_client.errors import NotFound
from quantix_client.reflector import Change
from quantix_operator.cluster.figures import NetworkFigures
from quantix_operator.network_context import NetworkContext
from quantix_operator.northbound.guard import Verdict, judge_removal
from quantix_operator.northbound.words import message

log = structlog.get_logger(__name__)

OWNERS = (NETWORKS, ROUTERS, FLOATING_IPS, SECURITY_GROUPS, VIRTUAL_MACHINES)
ALLOWED_KEY = "networkDeletionsUntil"
SWEEP_S = 60.0
_REMEMBERED = 10_000


class Sweep:
    """See the module."""

    def __init__(self, context: NetworkContext, figures: NetworkFigures) -> None:
        self._context = context
        self._deleting: OrderedDict[str, None] = OrderedDict()
        self._last_s: float | None = None
        self._settled = True
        self._rows = figures.rows
        for resource in OWNERS:
            context.cache.subscribe(resource, self._remember)

    def _remember(self, change: Change) -> None:
        metadata = change.object["metadata"]
        if metadata.get("deletionTimestamp"):
            self._deleting[metadata.get("uid", "")] = None
            if len(self._deleting) > _REMEMBERED:
                self._deleting.popitem(last=False)

    async def run(self) -> bool:
        """Sweep, but at most once a minute; False when something is held back. Raises
        NorthboundUnreachable.
        """
        now_s = self._context.clock.monotonic()
        if self._last_s is None or now_s - self._last_s >= SWEEP_S:
            self._settled = await self._sweep()
            self._last_s = now_s
        return self._settled

    async def _sweep(self) -> bool:
        northbound = self._context.northbound
        ours, foreign = await northbound.count()
        self._rows.labels("ours").set(ours)
        self._rows.labels("foreign").set(foreign)
        verdict = await self._judge()
        self._rows.labels("suspicious").set(verdict.rows if verdict.suspicious else 0)
        if verdict.suspicious:
            log.error(
                message("SuspiciousDeletion", count=verdict.rows, all=verdict.all_rows),
                reason="SuspiciousDeletion",
                owners=verdict.gone[:10],
            )
            return False
        for owner in verdict.gone:
            removed = await northbound.converge(owner, [])
            log.info("rows without an object removed", owner=owner, rows=removed)
        return True

    async def _judge(self) -> Verdict:
        rows = await self._context.northbound.owners()
        cache = self._context.cache
        known = {item["metadata"].get("uid", "") for resource in OWNERS for item in cache.list(resource)}
        known.add(self._context.cluster_uid)
        if not rows.keys() - known:
            return Verdict((), 0, sum(rows.values()), suspicious=False)
        return judge_removal(rows, known, self._deleting, await self._allowed_until(), datetime.now(UTC))

    async def _allowed_until(self) -> datetime | None:
        """Until when an administrator allows large removals (ConfigMap `quantix-cluster`)."""
        try:
            found = await self._context.api.get(CONFIG_MAPS, CLUSTER_CONFIG_MAP, NAMESPACE_SYSTEM)
        except NotFound:
            return None
        try:
            return parse_time(str((found.get("data") or {}).get(ALLOWED_KEY, "")))
        except ValueError:
            return None
