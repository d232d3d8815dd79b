"""Reconciles one Volume; what it decides is in `plan`. Run by the dispatcher."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import structlog

from quantix_api import Volume, volume_name
from quantix_api.facts import render_conditions, subject_in
from quantix_api.resources import (
    HOSTS,
    IMAGES,
    MANAGER_OPERATOR,
    MANAGER_SCHEDULER,
    NAMESPACES,
    STORAGE_POOLS,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_client.api import Manifest
from quantix_client.errors import Conflict, NotFound
from quantix_client.reflector import key_of
from quantix_operator.cache import Cache
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper, OnChangeOf
from quantix_operator.finalizers import Finalizers
from quantix_operator.indexers import (
    NO_HOST,
    POOL_FULL,
    keeping_host,
    made_for,
    made_from,
    made_from_snapshot,
    own_uid,
    refused_for,
    volumes_open,
)
from quantix_operator.objects import Objects
from quantix_operator.parts import host_but_amounts, pool_but_what_is_in_it, without_progress
from quantix_operator.status_writer import StatusWriter
from quantix_operator.staying import left_in, silent_in
from quantix_operator.storagepool.promises import size_granted
from quantix_operator.volume.observe import observe
from quantix_operator.volume.plan import Plan, plan_volume
from quantix_operator.volume.stray_marks import forget_gone_vm
from quantix_operator.volumedata.right import owners_of

log = structlog.get_logger(__name__)

_AGAIN_S = 0.05
_NOT_LET_IN = ("PoolNotFound", "PoolUnreachable")
_SAID_BY_HOSTS = (
    "phase",
    "observedGeneration",
    "pool",
    "capacity",
    "handle",
    "data",
    "progress",
    "conditions",
)


def _of_vm(vm: Manifest, cache: Cache) -> Iterable[str]:
    """The Volumes that it attaches by name or still has open, and of those made for it what no host says, or
    another host than its own; all of those once it is deleted.
    """
    metadata, spec = vm["metadata"], vm.get("spec") or {}
    if metadata.get("deletionTimestamp"):
        yield from (key_of(volume) for volume in cache.by(VOLUMES, made_for, str(metadata.get("uid"))))
    names = {disk["volume"] for disk in spec.get("disks") or [] if disk.get("volume")}
    resolved = (vm.get("status") or {}).get("resolved") or {}
    names |= {disk["volume"] for disk in resolved.get("disks") or [] if disk.get("volume")}
    yield from (f"{metadata['namespace']}/{name}" for name in sorted(names))
    for uid in volumes_open(vm):
        # of one that left spec, the news that the guest has let it go
        yield from (key_of(volume) for volume in cache.by(VOLUMES, own_uid, uid))
    host = ((vm.get("status") or {}).get("assignment") or {}).get("host")
    for disk in spec.get("disks") or []:
        key = f"{metadata['namespace']}/{volume_name(metadata['name'], disk['name'])}"
        found = cache.get(VOLUMES, key)
        keeps = (found.get("status") or {}).get("host") if found is not None else None
        # while no host takes the VM its Volumes say why they wait
        if found is not None and (keeps not in (None, "", host) if host else not keeps):
            yield key


def _of_pool(pool: Manifest, cache: Cache) -> Iterable[str]:
    """Volumes that wait for it to appear or to be let in, or for room in it."""
    yield from _without_host(pool, cache)
    yield from _waiting_for_room(cache)
    for reason in _NOT_LET_IN:
        yield from (key_of(volume) for volume in cache.by(VOLUMES, refused_for, reason))


def _waiting_for_room(cache: Cache) -> Iterable[str]:
    return (key_of(volume) for volume in cache.by(VOLUMES, refused_for, POOL_FULL))


def _without_host(_obj: Manifest, cache: Cache) -> Iterable[str]:
    """Volumes that wait for something to appear."""
    return (key_of(volume) for volume in cache.by(VOLUMES, keeping_host, NO_HOST))


def _of_volume(volume: Manifest, cache: Cache) -> Iterable[str]:
    """Itself, those that are made from it, and those that wait for the room that it may have left."""
    yield key_of(volume)
    yield from (key_of(other) for other in cache.by(VOLUMES, made_from, key_of(volume)))
    yield from _waiting_for_room(cache)


def _of_snapshot(snapshot: Manifest, cache: Cache) -> Iterable[str]:
    """Volumes that are made from it, and those of its VM, which go nowhere while it is taken."""
    yield from (key_of(volume) for volume in cache.by(VOLUMES, made_from_snapshot, key_of(snapshot)))
    name = (snapshot.get("spec") or {}).get("virtualMachine")
    vm = cache.get(VIRTUAL_MACHINES, f"{snapshot['metadata'].get('namespace')}/{name}")
    yield from _of_vm(vm, cache) if vm is not None else ()


def _of_host(host: Manifest, cache: Cache) -> Iterable[str]:
    yield from _without_host(host, cache)
    yield from (key_of(volume) for volume in cache.by(VOLUMES, keeping_host, host["metadata"]["name"]))


def _of_namespace(namespace: Manifest, cache: Cache) -> Iterable[str]:
    """Of one that is deleted those with the mark of a VM, which may be gone, and those that say nothing."""
    marked = (volume for volume in left_in(namespace, cache, VOLUMES) if list(made_for(volume)))
    return dict.fromkeys((*map(key_of, marked), *silent_in(namespace, cache, VOLUMES)))


class VolumeController:
    """`await reconcile("namespace/name")`."""

    name = "volume"
    concurrency = 4
    resource: Resource | None = VOLUMES
    watches: Mapping[Resource, Mapper] = {
        VOLUMES: _of_volume,
        VIRTUAL_MACHINES: _of_vm,
        IMAGES: _without_host,
        VIRTUAL_MACHINE_SNAPSHOTS: OnChangeOf(without_progress, _of_snapshot),
        STORAGE_POOLS: OnChangeOf(pool_but_what_is_in_it, _of_pool),
        HOSTS: OnChangeOf(host_but_amounts, _of_host),
        NAMESPACES: _of_namespace,
    }

    def __init__(self, context: Context, objects: Objects) -> None:
        self._api = context.api
        self._cache = context.cache
        self._events = context.events
        self._objects = objects
        self._finalizers = Finalizers(context.api, context.cache, VOLUMES)
        self._promising = context.promising
        self._placing = context.placing
        self._operator = StatusWriter(context.api, context.cache, MANAGER_OPERATOR)
        self._scheduler = StatusWriter(context.api, context.cache, MANAGER_SCHEDULER)

    async def reconcile(self, key: str) -> float | None:
        """One look at one Volume."""
        volume = self._objects.get(Volume, key)
        live = self._objects.manifest(volume) if volume is not None else None
        if volume is None or live is None:
            return None
        try:
            held = await self._finalizers.ensure(live)
            if held is None:
                return None
            if await forget_gone_vm(self._api, self._cache, volume):
                return _AGAIN_S
            plan = plan_volume(observe(self._objects, volume))
            if plan.take_back is not None:
                await self._take_back(key)
                return _AGAIN_S
            if plan.release:
                await self._finalizers.release(held)
                return None
            if not _promises(volume, plan):
                await self._say(key, plan)
                return None
            return await self._promise(key, moves=_begins_move(volume, plan))
        except Conflict:
            return _AGAIN_S

    async def _promise(self, key: str, *, moves: bool) -> float | None:
        """One at a time, each from a fresh look: what two Volumes or VMs want at once goes to one. `moves`:
        it is promised to another pool, and no migration, snapshot, restore or placement is decided meanwhile.
        """
        # in this order always; nobody who places waits for a promise
        async with self._promising, self._placing if moves else nullcontext():
            volume = self._objects.get(Volume, key)
            plan = plan_volume(observe(self._objects, volume)) if volume is not None else None
            if volume is None or plan is None or plan.take_back is not None or plan.release:
                return _AGAIN_S
            if _begins_move(volume, plan) and not moves:
                return _AGAIN_S
            await self._say(key, plan)
        return None

    async def _take_back(self, key: str) -> None:
        """Forget what a host said that has no right to the Volume, after a look at its VMs in the API itself:
        a cache may lag behind an assignment that gave the right.
        """
        await self._refresh_owners(key)
        volume, live = self._objects.get(Volume, key), self._cache.get(VOLUMES, key)
        taken = plan_volume(observe(self._objects, volume)).take_back if volume is not None else None
        if live is None or taken is None:
            return
        known = live["metadata"]
        # by value, since a host chooses the manager under which it writes
        patch = {
            "metadata": {"resourceVersion": known["resourceVersion"]},
            "status": {**dict.fromkeys(_SAID_BY_HOSTS), "host": taken.host or None},
        }
        written = await self._api.patch(
            VOLUMES, known["name"], patch, known["namespace"], subresource="status", manager=MANAGER_SCHEDULER
        )
        self._cache.put(VOLUMES, written)
        log.warning("host denied", volume=key, uid=known["uid"], host=taken.denied, given_to=taken.host)
        self._events.record(
            live, "Denied", taken.message, type="Warning", action="TakeBack", reporter="scheduler"
        )

    async def _refresh_owners(self, key: str) -> None:
        volume = self._objects.get(Volume, key)
        for vm in owners_of(self._objects, volume) if volume is not None else ():
            try:
                found = await self._api.get(VIRTUAL_MACHINES, vm.metadata.name, vm.metadata.namespace)
            except NotFound:
                # a VM that is gone disproves nothing
                gone = self._objects.manifest(vm)
                if gone is not None:
                    self._cache.remove(VIRTUAL_MACHINES, gone)
            else:
                self._cache.put(VIRTUAL_MACHINES, found)

    async def _say(self, key: str, plan: Plan) -> None:
        live = self._cache.get(VOLUMES, key)
        if live is None:
            return
        placed = {"host": plan.host} if plan.host and self._may_place(live, plan) else {}
        if plan.confirmed:
            placed["confirmedHost"] = plan.confirmed
        await self._scheduler.write(VOLUMES, live, placed, on_version=True)
        newest = self._cache.get(VOLUMES, key)
        if newest is not None:
            await self._operator.write(
                VOLUMES,
                newest,
                _status(plan, newest),
                on_version=True,
                leave_ready=plan.ready is None,
            )

    def _may_place(self, live: Manifest, plan: Plan) -> bool:
        """A host that hostd took for itself stays its own word, until another is to act; ours is sent on once
        given.
        """
        current = (live.get("status") or {}).get("host")
        ours = self._scheduler.owned(live).get("host")
        return current in (None, "") or ours == plan.host or (plan.brings and current != plan.host)


def _promises(volume: Volume, plan: Plan) -> bool:
    """Whether the plan takes room in a pool that was not promised before."""
    placed = plan.host is not None and not volume.status.host
    given = bool(plan.attached_to) and not volume.status.attached_to
    grown = plan.size is not None and plan.size.status == "True" and not size_granted(volume)
    return placed or given or grown or _begins_move(volume, plan)


def _begins_move(volume: Volume, plan: Plan) -> bool:
    """Whether the plan promises its data to another pool than before."""
    return bool(plan.moving_to) and plan.moving_to != volume.status.moving_to


def _status(plan: Plan, live: Manifest) -> dict[str, Any]:
    status: dict[str, Any] = {}
    if plan.attached_to:
        status["attachedTo"] = [{"uid": item.uid, "name": item.name} for item in plan.attached_to]
    if plan.pool:
        status["pool"] = plan.pool
    if plan.moving_to:
        status["movingTo"] = plan.moving_to
    facts = [item for item in (plan.ready, plan.size, plan.refused_move, plan.staying) if item is not None]
    if facts:
        status["conditions"] = render_conditions(facts, subject_in(VOLUMES, live), datetime.now(UTC))
    if plan.ready is not None:
        status["observedGeneration"] = int(live["metadata"].get("generation") or 0)
        status["phase"] = "Pending" if plan.host is None else "Failed"
    return status
