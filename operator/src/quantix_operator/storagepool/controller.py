"""Reconciles one StoragePool: gathers what the hosts say of it. Run by the dispatcher."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from quantix_api import Host, StoragePool
from quantix_api.facts import render_conditions, subject_in
from quantix_api.resources import HOSTS, IMAGES, STORAGE_POOLS, VOLUMES, Resource
from quantix_api.seniority import age_order
from quantix_client.api import Manifest
from quantix_client.errors import Conflict, NotFound
from quantix_client.reflector import key_of
from quantix_operator.cache import Cache
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper
from quantix_operator.host import reading
from quantix_operator.objects import Objects
from quantix_operator.status_writer import StatusWriter
from quantix_operator.storagepool.promises import promised_bytes, volumes_in
from quantix_operator.storagepool.status import Observed, Report, pool_facts, pool_figures

_AGAIN_S = 0.05


def _all_pools(_obj: Manifest, cache: Cache) -> Iterable[str]:
    """A host reports on all pools; a pool decides which of the others is the default."""
    return (key_of(pool) for pool in cache.list(STORAGE_POOLS))


class StoragePoolController:
    """`await reconcile("name")`."""

    name = "storagepool"
    concurrency = 2
    resource: Resource | None = STORAGE_POOLS
    watches: Mapping[Resource, Mapper] = {
        STORAGE_POOLS: _all_pools,
        HOSTS: _all_pools,
        VOLUMES: _all_pools,
        IMAGES: _all_pools,
    }

    def __init__(self, context: Context, objects: Objects) -> None:
        self._objects = objects
        self._writer = StatusWriter(context.api, context.cache)

    async def reconcile(self, key: str) -> float | None:
        pool = self._objects.get(StoragePool, key)
        live = self._objects.manifest(pool) if pool is not None else None
        if pool is None or live is None:
            return None
        try:
            await self._writer.write(STORAGE_POOLS, live, self._status(pool, live), on_version=True)
        except NotFound:
            return None
        except Conflict:
            return _AGAIN_S
        return None

    def _status(self, pool: StoragePool, live: Manifest) -> dict[str, Any]:
        volumes = volumes_in(self._objects, pool.metadata.name)
        observed = Observed(
            pool,
            tuple(self._reports(pool)),
            self._elder_default(pool),
            len(volumes),
            promised_bytes(self._objects, volumes),
        )
        return {
            **pool_figures(observed),
            "observedGeneration": pool.metadata.generation,
            "conditions": render_conditions(
                pool_facts(observed), subject_in(STORAGE_POOLS, live), datetime.now(UTC)
            ),
        }

    def _elder_default(self, pool: StoragePool) -> str:
        elder = self._objects.default_pool()
        if not pool.spec.default or elder is None or age_order(elder) >= age_order(pool):
            return ""
        return elder.metadata.name

    def _reports(self, pool: StoragePool) -> Iterable[Report]:
        """From every host that the pool's selector means."""
        for host in sorted(self._objects.list(Host), key=lambda item: item.metadata.name):
            labels = reading.implied_labels(host)
            if any(labels.get(key) != value for key, value in pool.spec.host_selector.items()):
                continue
            said = next((item for item in host.status.pools if item.name == pool.metadata.name), None)
            if said is None:
                yield Report(host.metadata.name, None)
                continue
            yield Report(
                host.metadata.name,
                said.state != "Unreachable" and not reading.lost(host),
                reading.capacity_bytes(said.capacity),
                reading.capacity_bytes(said.available),
                said.message or "",
            )
