"""Writes status as one manager, and only when that changes something.

Used by the apply step of every controller. What was written goes into the cache at once, so that the next
decision counts with it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from quantix_api.conditions import KSTATUS_TYPES
from quantix_api.resources import MANAGER_HOSTD, MANAGER_OPERATOR, Resource
from quantix_client.api import ApiClient, Manifest
from quantix_client.apply import comparable, drop_conditions, left_in_halves, owned_fields
from quantix_operator.cache import Cache

# What tells how an object is; hostd takes it over from the operator while it has the object
HANDED_OVER = ("phase", "observedGeneration")


@dataclass(frozen=True)
class StatusWriter:
    """Server-side apply of a manager's whole set of status fields."""

    api: ApiClient
    cache: Cache
    manager: str = MANAGER_OPERATOR

    def owned(self, live: Manifest) -> dict[str, Any]:
        """The status fields that this manager owns in `live`."""
        status = owned_fields(live, self.manager, "status").get("status") or {}
        return dict(status)

    async def write(
        self,
        resource: Resource,
        live: Manifest,
        status: dict[str, Any],
        *,
        on_version: bool = False,
        leave_ready: bool = False,
    ) -> bool:
        """Own exactly `status` of the object; False when it is so already.

        `on_version`: only against the state `live` (else Conflict). `leave_ready`: Ready, phase and
        observedGeneration are another's now; that we still share them is no reason to write.
        """
        if stale := stale_conditions(live, status):
            live = await self._without(resource, live, stale)
        owned = self.owned(live)
        if leave_ready:
            owned = without_ready(owned)
        if comparable({"status": owned}) == comparable({"status": status}):
            return False
        if halves := left_in_halves(live, {"status": status}, self.manager):
            live = await self._without(resource, live, halves)
        known = live["metadata"]
        metadata = {name: known[name] for name in ("name", "namespace", "uid") if name in known}
        if on_version:
            metadata["resourceVersion"] = known["resourceVersion"]
        body = {"metadata": metadata, "status": status}
        written = await self.api.apply(resource, body, manager=self.manager, subresource="status")
        self.cache.put(resource, written)
        return True

    async def _without(self, resource: Resource, live: Manifest, types: Collection[str]) -> Manifest:
        written = await drop_conditions(self.api, resource, live, types)
        self.cache.put(resource, written)
        return written


def stale_conditions(live: Manifest, status: dict[str, Any]) -> tuple[str, ...]:
    """What hostd said beside its Ready and no longer holds, since Ready is in `status` now.

    Reconciling and Stalled explain Ready: left beside another manager's, kstatus calls a VM that waits
    failed.
    """
    ours = {item.get("type") for item in status.get("conditions") or []}
    if "Ready" not in ours:
        return ()
    theirs = owned_fields(live, MANAGER_HOSTD, "status").get("status") or {}
    said = {item.get("type") for item in theirs.get("conditions") or []}
    return tuple(name for name in KSTATUS_TYPES if name in said and name not in ours)


def without_ready(status: dict[str, Any]) -> dict[str, Any]:
    """The status without what says how the object is."""
    rest = {name: value for name, value in status.items() if name not in HANDED_OVER}
    conditions = [item for item in status.get("conditions") or [] if item.get("type") != "Ready"]
    return {**rest, "conditions": conditions} if "conditions" in rest else rest
