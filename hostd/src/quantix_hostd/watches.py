"""What this host sees of the API: field-selected watches, and by name what no selection delivers.

Made by `assembly`. Everything else reads `stores`; `on_change` hears each change. A Volume that nobody has
yet, and an Image that another host keeps, are in no selection of ours: they are read by name while a VM of
this host needs them.
"""

from __future__ import annotations

import asyncio
import math
from collections import ChainMap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping
from enum import Enum
from typing import Any, Protocol

import structlog

from quantix_api import VirtualMachine, Volume
from quantix_api.resources import (
    CONFIG_MAPS,
    HOST_RECOVERIES,
    HOSTS,
    IMAGES,
    NAMESPACE_SYSTEM,
    NAMESPACES,
    NETWORKS,
    PLATFORM_CONFIG_MAP,
    STORAGE_POOLS,
    VIRTUAL_MACHINE_MIGRATIONS,
    VIRTUAL_MACHINE_RESTORES,
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_client.api import ApiClient
from quantix_client.clock import Clock, SystemClock, rest_s
from quantix_client.errors import ApiError, NotFound
from quantix_client.reading import model_of
from quantix_client.reflector import Change, Reflector, split_key
from quantix_hostd.volume.wanted import needed_objects

_LOOK_S = 1.0
# of the process' time that it may take to see what is wanted, when many VMs change at once
_SHARE = 0.1

log = structlog.get_logger(__name__)

Manifest = dict[str, Any]
OnChange = Callable[[Resource, Change], None]


class Reader(Protocol):
    """The one verb of the API that reading by name needs."""

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest: ...


class NamedObjects:
    """Objects read by name, every `look_s` seconds, while `wanted` names them."""

    def __init__(
        self,
        api: Reader,
        wanted: Callable[[], Iterator[tuple[Resource, str]]],
        on_change: OnChange,
        *,
        look_s: float = _LOOK_S,
        clock: Clock | None = None,
    ) -> None:
        self._api = api
        self._clock = clock or SystemClock()
        self._look_s = look_s
        self._wanted = wanted
        self._on_change = on_change
        self._wake = asyncio.Event()
        self._read_s: dict[tuple[Resource, str], float] = {}
        self.stores: Mapping[Resource, MutableMapping[str, Manifest]] = {
            VOLUMES: {},
            IMAGES: {},
            VIRTUAL_MACHINE_SNAPSHOTS: {},
        }

    def wake(self) -> None:
        """Look at once for what is not known yet: what is wanted may have changed."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._wake.clear()
            began_s = self._clock.monotonic()
            wanted = set(self._wanted())
            looked_s = self._clock.monotonic() - began_s
            for resource, store in self.stores.items():
                for key in [key for key in store if (resource, key) not in wanted]:
                    del store[key]
            for resource, key in sorted(self._due(wanted), key=lambda item: (item[0].plural, item[1])):
                await self._read(resource, key)
            await self._clock.sleep(rest_s(looked_s, _SHARE))
            try:
                async with asyncio.timeout(self._look_s if wanted else None):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _due(self, wanted: Collection[tuple[Resource, str]]) -> list[tuple[Resource, str]]:
        """What is not known yet, and what was read a while ago: many changes of VMs are not as many reads."""
        now_s = self._clock.monotonic()
        self._read_s = {item: at_s for item, at_s in self._read_s.items() if item in wanted}
        due = [
            (resource, key)
            for resource, key in wanted
            if key not in self.stores[resource]
            or now_s - self._read_s.get((resource, key), -math.inf) >= self._look_s
        ]
        self._read_s.update(dict.fromkeys(due, now_s))
        return due

    async def _read(self, resource: Resource, key: str) -> None:
        namespace, name = split_key(key)
        store = self.stores[resource]
        previous = store.get(key)
        try:
            found = await self._api.get(resource, name, namespace)
        except NotFound:
            if store.pop(key, None) is not None and previous is not None:
                self._on_change(resource, Change("DELETED", key, previous, previous))
            return
        except ApiError as error:
            log.debug("not read", kind=resource.kind, key=key, reason=error.reason)
            return
        version = found["metadata"]["resourceVersion"]
        if previous is None or previous["metadata"]["resourceVersion"] != version:
            store[key] = found
            self._on_change(
                resource, Change("ADDED" if previous is None else "MODIFIED", key, found, previous)
            )


class Moving(Enum):
    """Migrations whose source, or target, this host is, and the VMs that come with them."""

    LEAVES = "leaves"
    COMES = "comes"
    COMING_VM = "coming-vm"


class Watches:
    """All that this host reads of the API. `stores` are live mappings from key to manifest."""

    def __init__(self, api: ApiClient, host: str, on_change: OnChange) -> None:
        self._on_change = on_change
        selections = {
            VIRTUAL_MACHINES: f"status.assignment.host={host}",
            VOLUMES: f"status.host={host}",
            IMAGES: f"status.host={host}",
            VIRTUAL_MACHINE_SNAPSHOTS: f"status.host={host}",
            VIRTUAL_MACHINE_RESTORES: f"status.host={host}",
            STORAGE_POOLS: "",
            NETWORKS: "",
            NAMESPACES: "",
            HOST_RECOVERIES: "",
            HOSTS: f"metadata.name={host}",
        }
        self._reflectors = {
            resource: Reflector(api, resource, field_selector=fields, on_change=self._listener(resource))
            for resource, fields in selections.items()
        }
        self._moving = {
            Moving.LEAVES: self._watch(api, VIRTUAL_MACHINE_MIGRATIONS, f"status.sourceHost={host}"),
            Moving.COMES: self._watch(api, VIRTUAL_MACHINE_MIGRATIONS, f"status.targetHost={host}"),
            Moving.COMING_VM: self._watch(api, VIRTUAL_MACHINES, f"status.migration.targetHost={host}"),
        }
        self._platform = Reflector(
            api,
            CONFIG_MAPS,
            namespace=NAMESPACE_SYSTEM,
            field_selector=f"metadata.name={PLATFORM_CONFIG_MAP}",
            on_change=self._listener(CONFIG_MAPS),
        )
        self._named = NamedObjects(api, self._wanted, on_change)
        self.stores: Mapping[Resource, Mapping[str, Manifest]] = {
            resource: ChainMap(reflector.store, self._named.stores.get(resource, {}))
            for resource, reflector in self._reflectors.items()
        }

    def moving(self, what: Moving) -> Mapping[str, Manifest]:
        """What is on its way to or from this host; as live as `stores`."""
        return self._moving[what].store

    @property
    def platform(self) -> Mapping[str, Manifest]:
        """What the operator tells all hosts of each other (`platform_addresses`), once it does; as live."""
        return self._platform.store

    @property
    def synced(self) -> bool:
        """Whether every selection was read since this process started."""
        return all(reflector.synced.is_set() for reflector in self._all())

    async def wait_synced(self) -> None:
        for reflector in self._all():
            await reflector.synced.wait()

    def _all(self) -> Iterable[Reflector]:
        return (*self._reflectors.values(), *self._moving.values(), self._platform)

    def _watch(self, api: ApiClient, resource: Resource, fields: str) -> Reflector:
        """Of what moves: VMs and migrations alike concern the VM, whoever has it."""

        def listen(change: Change) -> None:
            self._on_change(VIRTUAL_MACHINE_MIGRATIONS, change)

        return Reflector(api, resource, field_selector=fields, on_change=listen)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for resource, reflector in self._reflectors.items():
                group.create_task(reflector.run(), name=f"watch-{resource.plural}")
            for what, reflector in self._moving.items():
                group.create_task(reflector.run(), name=f"watch-{what.value}")
            group.create_task(self._platform.run(), name="watch-platform")
            group.create_task(self._named.run(), name="named")

    def _listener(self, resource: Resource) -> Callable[[Change], None]:
        def listen(change: Change) -> None:
            if resource in (VIRTUAL_MACHINES, VOLUMES, IMAGES):
                self._named.wake()
            self._on_change(resource, change)

        return listen

    def _wanted(self) -> Iterator[tuple[Resource, str]]:
        """What VMs of this host need and no selection delivers."""
        selected = {resource: reflector.store for resource, reflector in self._reflectors.items()}
        machines = (model_of(VirtualMachine, item) for item in selected[VIRTUAL_MACHINES].values())
        known = _volumes(self.stores[VOLUMES])
        for resource, key in needed_objects(machines, known, _volumes(selected[VOLUMES])):
            if key not in selected[resource]:
                yield resource, key


def _volumes(manifests: Mapping[str, Manifest]) -> dict[str, Volume]:
    return {key: model_of(Volume, manifest) for key, manifest in manifests.items()}
