"""Writes status as one manager, and only when that changes something.

Used by the apply step of every controller. What was written goes into the cache at once, so that the next
decision counts with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quantix_api.conditions import KSTATUS_TYPES
from quantix_api.resources import MANAGER_HOSTD, MANAGER_OPERATOR, Resource
from quantix_client.api import ApiClient, Manifest
from quantix_client.apply import apply_if_changed, comparable, drop_conditions, owned_fields
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
        fields = {"status": status}
        if stale := stale_conditions(live, status):
            live = await drop_conditions(self.api, resource, live, stale)
            self.cache.put(resource, live)
        if leave_ready and comparable({"status": without_ready(self.owned(live))}) == comparable(fields):
            return False
        written = await apply_if_changed(
            self.api, resource, live, fields, manager=self.manager, on_version=on_version
        )
        if written is not None:
            self.cache.put(resource, written)
        return written is not None


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
