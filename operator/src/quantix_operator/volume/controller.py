"""Reconciles one Volume; what it decides is in `plan`. Run by the dispatcher."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from quantix_api import Volume
from quantix_api.facts import render_conditions, subject_in
from quantix_api.resources import HOSTS, IMAGES, STORAGE_POOLS, VIRTUAL_MACHINES, VOLUMES, Resource
from quantix_client.api import Manifest
from quantix_client.errors import Conflict
from quantix_client.reflector import key_of
from quantix_operator.cache import Cache
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper
from quantix_operator.finalizers import add_finalizer, has_finalizer, remove_finalizer
from quantix_operator.objects import Objects
from quantix_operator.status_writer import OPERATOR, SCHEDULER, StatusWriter
from quantix_operator.volume.observe import observe
from quantix_operator.volume.plan import Plan, plan_volume

log = structlog.get_logger(__name__)

_AGAIN_S = 0.05


def _of_vm(vm: Manifest, _cache: Cache) -> Iterable[str]:
    """The Volumes that it attaches by name, or still has open."""
    metadata, spec = vm["metadata"], vm.get("spec") or {}
    names = {disk["volume"] for disk in spec.get("disks") or [] if disk.get("volume")}
    resolved = (vm.get("status") or {}).get("resolved") or {}
    names |= {disk["volume"] for disk in resolved.get("disks") or [] if disk.get("volume")}
    return (f"{metadata['namespace']}/{name}" for name in sorted(names))


def _without_host(_obj: Manifest, cache: Cache) -> Iterable[str]:
    """Volumes that wait for something to appear."""
    return (key_of(volume) for volume in cache.list(VOLUMES) if not (volume.get("status") or {}).get("host"))


def _of_volume(volume: Manifest, cache: Cache) -> Iterable[str]:
    """Itself, and those that wait for the room that it may have left."""
    yield key_of(volume)
    for other in cache.list(VOLUMES):
        conditions = (other.get("status") or {}).get("conditions") or []
        if any(item.get("reason") == "PoolFull" for item in conditions):
            yield key_of(other)


def _of_host(host: Manifest, cache: Cache) -> Iterable[str]:
    name = host["metadata"]["name"]
    yield from _without_host(host, cache)
    for volume in cache.list(VOLUMES):
        if (volume.get("status") or {}).get("host") == name:
            yield key_of(volume)


class VolumeController:
    """`await reconcile("namespace/name")`."""

    name = "volume"
    concurrency = 4
    resource: Resource | None = VOLUMES
    watches: Mapping[Resource, Mapper] = {
        VOLUMES: _of_volume,
        VIRTUAL_MACHINES: _of_vm,
        IMAGES: _without_host,
        STORAGE_POOLS: _without_host,
        HOSTS: _of_host,
    }

    def __init__(self, context: Context, objects: Objects) -> None:
        self._api = context.api
        self._cache = context.cache
        self._objects = objects
        self._operator = StatusWriter(context.api, context.cache, OPERATOR)
        self._scheduler = StatusWriter(context.api, context.cache, SCHEDULER)

    async def reconcile(self, key: str) -> float | None:
        """One look at one Volume."""
        volume = self._objects.get(Volume, key)
        live = self._objects.manifest(volume) if volume is not None else None
        if volume is None or live is None:
            return None
        try:
            if not volume.deleting and not has_finalizer(live):
                await add_finalizer(self._api, self._cache, VOLUMES, live)
                return _AGAIN_S
            plan = plan_volume(observe(self._objects, volume))
            if plan.release and has_finalizer(live):
                await remove_finalizer(self._api, self._cache, VOLUMES, live)
                log.info("volume is gone", volume=key, uid=volume.metadata.uid)
                return None
            await self._say(key, plan)
        except Conflict:
            return _AGAIN_S
        return None

    async def _say(self, key: str, plan: Plan) -> None:
        live = self._cache.get(VOLUMES, key)
        if live is None:
            return
        host = {"host": plan.host} if plan.host and self._may_place(live, plan.host) else {}
        await self._scheduler.write(VOLUMES, live, host, on_version=True)
        newest = self._cache.get(VOLUMES, key)
        if newest is not None:
            await self._operator.write(
                VOLUMES,
                newest,
                _status(plan, newest),
                on_version=True,
                leave_ready=plan.ready is None,
            )

    def _may_place(self, live: Manifest, host: str) -> bool:
        """A host that hostd took for itself stays its own word; ours is sent on once given."""
        current = (live.get("status") or {}).get("host")
        return current in (None, "") or self._scheduler.owned(live).get("host") == host


def _status(plan: Plan, live: Manifest) -> dict[str, Any]:
    status: dict[str, Any] = {}
    if plan.attached_to:
        status["attachedTo"] = [{"uid": item.uid, "name": item.name} for item in plan.attached_to]
    if plan.pool:
        status["pool"] = plan.pool
    if plan.ready is not None:
        status["conditions"] = render_conditions([plan.ready], subject_in(VOLUMES, live), datetime.now(UTC))
        status["observedGeneration"] = int(live["metadata"].get("generation") or 0)
        status["phase"] = "Pending" if plan.host is None else "Failed"
    return status
