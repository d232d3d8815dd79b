"""Reconciles one Image; what it decides is in `plan`. Run by the dispatcher."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from quantix_api import Image, VirtualMachine, Volume
from quantix_api.facts import render_conditions, subject_in
from quantix_api.references import resolve_key
from quantix_api.resources import (
    ANNOTATION_VIRTUAL_MACHINE,
    HOSTS,
    IMAGES,
    MANAGER_OPERATOR,
    MANAGER_SCHEDULER,
    NAMESPACES,
    STORAGE_POOLS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_client.api import Manifest
from quantix_client.errors import Conflict
from quantix_client.reflector import key_of
from quantix_operator.cache import Cache
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper, own_key
from quantix_operator.finalizers import Finalizers
from quantix_operator.image.plan import Observed, Plan, means, plan_image, users_of
from quantix_operator.objects import Objects
from quantix_operator.status_writer import StatusWriter
from quantix_operator.staying import silent_in, staying_fact
from quantix_operator.storagepool.named import pool_of
from quantix_operator.volume.observe import place_in

_AGAIN_S = 0.05


def _of_vm(vm: Manifest, _cache: Cache) -> Iterable[str]:
    spec = vm.get("spec") or {}
    for devices in (spec.get("disks"), spec.get("cdroms")):
        for device in devices or []:
            yield from _key(device.get("image"), vm)


def _of_volume(volume: Manifest, _cache: Cache) -> Iterable[str]:
    source = (volume.get("spec") or {}).get("source") or {}
    yield from _key(source.get("image"), volume)


def _key(reference: str | None, obj: Manifest) -> Iterator[str]:
    if reference:
        yield resolve_key(obj["metadata"]["namespace"], reference)


def _of_namespace(namespace: Manifest, cache: Cache) -> Iterable[str]:
    return silent_in(namespace, cache, IMAGES)


def _without_host(_obj: Manifest, cache: Cache) -> Iterable[str]:
    return (key_of(image) for image in cache.list(IMAGES) if not (image.get("status") or {}).get("host"))


class ImageController:
    """`await reconcile("namespace/name")`."""

    name = "image"
    concurrency = 4
    resource: Resource | None = IMAGES
    watches: Mapping[Resource, Mapper] = {
        IMAGES: own_key,
        VIRTUAL_MACHINES: _of_vm,
        VOLUMES: _of_volume,
        HOSTS: _without_host,
        STORAGE_POOLS: _without_host,
        NAMESPACES: _of_namespace,
    }

    def __init__(self, context: Context, objects: Objects) -> None:
        self._cache = context.cache
        self._objects = objects
        self._finalizers = Finalizers(context.api, context.cache, IMAGES)
        self._operator = StatusWriter(context.api, context.cache, MANAGER_OPERATOR)
        self._scheduler = StatusWriter(context.api, context.cache, MANAGER_SCHEDULER)

    async def reconcile(self, key: str) -> float | None:
        """One look at one Image."""
        image = self._objects.get(Image, key)
        live = self._objects.manifest(image) if image is not None else None
        if image is None or live is None:
            return None
        try:
            held = await self._finalizers.ensure(live)
            if held is None:
                return None
            plan = plan_image(self._observe(image))
            if plan.release:
                await self._finalizers.release(held)
                return None
            await self._say(key, plan)
        except Conflict:
            return _AGAIN_S
        return None

    def _observe(self, image: Image) -> Observed:
        pool = pool_of(self._objects, image.spec.pool, image.metadata.namespace or "")
        pool_name = pool.metadata.name if pool else ""
        return Observed(
            image=image,
            pool=pool_name,
            place=place_in(self._objects, pool_name) if pool_name and not image.status.host else "",
            used_by=users_of(self._naming_vms(image), self._volumes_from(image)),
            staying=staying_fact(self._objects, image),
        )

    def _naming_vms(self, image: Image) -> Iterator[str]:
        for vm in self._objects.list(VirtualMachine):
            named = [disk.image for disk in vm.spec.disks] + [drive.image for drive in vm.spec.cdroms]
            if any(means(name, vm.metadata.namespace or "", image) for name in named):
                yield vm.key

    def _volumes_from(self, image: Image) -> dict[str, str]:
        found = {}
        for volume in self._objects.list(Volume):
            source, namespace = volume.spec.source, volume.metadata.namespace or ""
            if source is not None and means(source.image, namespace, image):
                vm = volume.metadata.annotations.get(ANNOTATION_VIRTUAL_MACHINE, "")
                found[volume.key] = f"{namespace}/{vm}" if vm else ""
        return found

    async def _say(self, key: str, plan: Plan) -> None:
        live = self._cache.get(IMAGES, key)
        if live is None:
            return
        host = {"host": plan.host} if plan.host else {}
        await self._scheduler.write(IMAGES, live, host, on_version=True)
        newest = self._cache.get(IMAGES, key)
        if newest is not None:
            await self._operator.write(
                IMAGES,
                newest,
                _status(plan, newest),
                on_version=True,
                leave_ready=plan.ready is None,
            )


def _status(plan: Plan, live: Manifest) -> dict[str, Any]:
    status: dict[str, Any] = {"users": plan.users}
    if plan.used_by:
        status["usedBy"] = list(plan.used_by)
    facts = [item for item in (plan.ready, plan.staying) if item is not None]
    if facts:
        status["conditions"] = render_conditions(facts, subject_in(IMAGES, live), datetime.now(UTC))
    if plan.ready is not None:
        status["observedGeneration"] = int(live["metadata"].get("generation") or 0)
        status["phase"] = "Pending"
    return status
