"""Reconciles one StoragePool: gathers what the hosts say of it. Run by the dispatcher."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from quantix_api import Host, StoragePool, VirtualMachine, VirtualMachineSnapshot
from quantix_api.facts import render_conditions, subject_in
from quantix_api.host_labels import selects
from quantix_api.resources import (
    HOSTS,
    IMAGES,
    STORAGE_POOLS,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_api.seniority import age_order
from quantix_client.api import Manifest
from quantix_client.errors import Conflict, NotFound
from quantix_client.reflector import key_of
from quantix_operator.cache import Cache
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper, OnChangeOf
from quantix_operator.indexers import pools_kept_in, pools_named
from quantix_operator.objects import Objects
from quantix_operator.parts import without_progress
from quantix_operator.scheduling import host_reading
from quantix_operator.status_writer import StatusWriter
from quantix_operator.storagepool.promises import in_pool
from quantix_operator.storagepool.status import (
    Observed,
    Report,
    only_figures_differ,
    pool_facts,
    pool_figures,
)

_AGAIN_S = 0.05
# many volumes that come at once are one look, and few writes of a figure that nobody waits for
_LOOK_S = 0.2
_FIGURES_S = 1.0


def _all_pools(_obj: Manifest, cache: Cache) -> Iterable[str]:
    """A host reports on all pools; a pool decides which of the others is the default."""
    return (key_of(pool) for pool in cache.list(STORAGE_POOLS))


def _pools_of(vm: Manifest, cache: Cache) -> Iterable[str]:
    """Those that its disks name, and those that count VMs: it may have been one of those."""
    named = set(pools_named(vm))
    for pool in cache.list(STORAGE_POOLS):
        if key_of(pool) in named or (pool.get("status") or {}).get("virtualMachines"):
            yield key_of(pool)


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
        VIRTUAL_MACHINES: _pools_of,
        VIRTUAL_MACHINE_SNAPSHOTS: OnChangeOf(without_progress, _all_pools),
    }

    def __init__(self, context: Context, objects: Objects) -> None:
        self._objects = objects
        self._clock = context.clock
        self._writer = StatusWriter(context.api, context.cache)
        self._next_look_s: dict[str, float] = {}
        self._next_figures_s: dict[str, float] = {}

    async def reconcile(self, key: str) -> float | None:
        pool = self._objects.get(StoragePool, key)
        live = self._objects.manifest(pool) if pool is not None else None
        if pool is None or live is None:
            self._next_look_s.pop(key, None)
            self._next_figures_s.pop(key, None)
            return None
        now_s = self._clock.monotonic()
        early_s = self._next_look_s.get(key, now_s) - now_s
        if early_s > 0:
            return early_s
        self._next_look_s[key] = now_s + _LOOK_S
        status = self._status(pool, live)
        early_s = self._next_figures_s.get(key, now_s) - now_s
        if early_s > 0 and only_figures_differ(self._writer.owned(live), status):
            return early_s
        try:
            if await self._writer.write(STORAGE_POOLS, live, status, on_version=True):
                self._next_figures_s[key] = self._clock.monotonic() + _FIGURES_S
        except NotFound:
            return None
        except Conflict:
            return _AGAIN_S
        return None

    def _status(self, pool: StoragePool, live: Manifest) -> dict[str, Any]:
        inside = in_pool(self._objects, pool.metadata.name)
        observed = Observed(
            pool,
            tuple(self._reports(pool)),
            self._elder_default(pool),
            inside.volumes,
            inside.promised_bytes,
            len(self._objects.by(VirtualMachine, pools_named, pool.metadata.name)),
            len(self._objects.by(VirtualMachineSnapshot, pools_kept_in, pool.metadata.name)),
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
            if not selects(pool.spec.host_selector, host_reading.implied_labels(host)):
                continue
            said = next((item for item in host.status.pools if item.name == pool.metadata.name), None)
            if said is None:
                yield Report(host.metadata.name, None)
                continue
            yield Report(
                host.metadata.name,
                said.state != "Unreachable" and not host_reading.lost(host),
                host_reading.capacity_bytes(said.capacity),
                host_reading.capacity_bytes(said.available),
                said.message or "",
                said.reason or "",
                said.full or "",
            )
