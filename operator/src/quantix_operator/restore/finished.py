"""Removes restores that are over, once their time to be kept is, where they name one. By the dispatcher."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import structlog

from quantix_api import VirtualMachineRestore
from quantix_api.resources import VIRTUAL_MACHINE_RESTORES, Resource
from quantix_api.virtual_machine_restore import OVER
from quantix_client.api import Manifest
from quantix_client.reflector import key_of
from quantix_operator.cache import Cache
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper
from quantix_operator.objects import Objects

log = structlog.get_logger(__name__)

_CLOCK_LOOK_S = 3600.0
"""A clock that is put right is noticed within this time."""


class FinishedRestoreController:
    """One restore a call."""

    name = "finished-restore"
    concurrency = 1
    resource: Resource | None = None

    def __init__(self, context: Context, objects: Objects) -> None:
        self._api = context.api
        self._objects = objects
        self.watches: Mapping[Resource, Mapper] = {VIRTUAL_MACHINE_RESTORES: _with_an_end}

    async def reconcile(self, key: str) -> float | None:
        """Remove it, or return the seconds until it is to be looked at again."""
        restore = self._objects.get(VirtualMachineRestore, key)
        ends = kept_until(restore) if restore is not None else None
        if restore is None or ends is None:
            return None
        left_s = (ends - datetime.now(UTC)).total_seconds()
        if left_s > 0:
            return min(left_s, _CLOCK_LOOK_S)
        metadata = restore.metadata
        await self._api.delete(VIRTUAL_MACHINE_RESTORES, metadata.name, metadata.namespace, uid=metadata.uid)
        log.info("finished restore removed", restore=key)
        return None


def kept_until(restore: VirtualMachineRestore) -> datetime | None:
    """When its time to be kept ends; None for one that goes on, is being deleted or names none. Pure."""
    kept_s, status = restore.spec.ttl_seconds_after_finished, restore.status
    if kept_s is None or status.phase not in OVER or restore.deleting:
        return None
    # one that no host began has no end of its own, only the moment from which it was told to have failed
    told = next((item.last_transition_time for item in status.conditions if item.type == "Ready"), None)
    ended = status.finished_at or told
    return ended + timedelta(seconds=kept_s) if ended is not None else None


def _with_an_end(obj: Manifest, _cache: Cache) -> Iterable[str]:
    return (key_of(obj),) if "ttlSecondsAfterFinished" in (obj.get("spec") or {}) else ()
