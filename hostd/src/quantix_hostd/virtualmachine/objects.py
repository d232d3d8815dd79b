"""The API objects that a VM's start needs, as this host last saw them.

`bundles` builds a `StoredObjects` over its reflectors' stores; the reconciler only reads. Nothing is asked of
the API server here: an object that is not in the store is absent or not seen yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from quantix_api import HostRecovery, Image, Network, StoragePool, VirtualMachine, Volume
from quantix_api.references import admits, resolve_key
from quantix_api.resources import (
    HOST_RECOVERIES,
    HOSTS,
    IMAGES,
    NAMESPACES,
    NETWORKS,
    STORAGE_POOLS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_api.seniority import default_pool
from quantix_client.reading import model_of
from quantix_hostd.by_uid import ByUid
from quantix_hostd.claims import CephPool, PoolKey

Manifest = dict[str, Any]
_CLOSED_RECOVERY = frozenset({"Done", "Cancelled"})


class Objects(Protocol):
    @property
    def synced(self) -> bool:
        """Whether the API was read since hostd's own start; before that nothing may start."""

    def virtual_machine_uids(self) -> tuple[str, ...]:
        """The VMs whose assignment names this host."""

    def virtual_machine(self, uid: str) -> VirtualMachine | None: ...

    def virtual_machine_manifest(self, uid: str) -> Manifest | None: ...

    def router_ports(self) -> frozenset[str]:
        """The switch ports of this host's guests that may be routers: those with `portSecurity: Disabled`."""

    def volume(self, namespace: str, name: str) -> Volume | None: ...

    def volume_handles(self) -> frozenset[str]:
        """Of the Volumes whose data is here."""

    def pool(self, name: str) -> StoragePool | None:
        """The pool of this name; "" is the default one."""

    def pool_keys(self) -> Mapping[str, PoolKey]:
        """How this host knows the pools, by their names."""

    def pool_of(self, key: PoolKey) -> str:
        """The name of the pool that this host knows by this key, "" for none."""

    def network(self, namespace: str, name: str) -> Network | None:
        """`name` may be shared/NAME, as in spec."""

    def image(self, namespace: str, name: str) -> Image | None:
        """`name` may be shared/NAME, as in spec; None also for one that the namespace may not use."""

    def recovery_open(self) -> bool:
        """Whether a HostRecovery of this host is open: then nothing starts here."""

    def in_maintenance(self) -> bool:
        """Whether this host is to be emptied."""


class StoredObjects:
    """`Objects` over stores of manifests by key (`namespace/name` or `name`)."""

    def __init__(
        self, host: str, stores: Mapping[Resource, Mapping[str, Manifest]], synced: Callable[[], bool]
    ) -> None:
        self._host = host
        self._stores = stores
        self._machines = ByUid(stores[VIRTUAL_MACHINES])
        self._synced = synced

    @property
    def synced(self) -> bool:
        return self._synced()

    def virtual_machine_uids(self) -> tuple[str, ...]:
        return tuple(found["metadata"]["uid"] for found in self._stores[VIRTUAL_MACHINES].values())

    def virtual_machines(self) -> tuple[VirtualMachine, ...]:
        """All whose assignment names this host."""
        return tuple(model_of(VirtualMachine, found) for found in self._stores[VIRTUAL_MACHINES].values())

    def virtual_machine_manifest(self, uid: str) -> Manifest | None:
        return self._machines.get(uid)

    def virtual_machine(self, uid: str) -> VirtualMachine | None:
        found = self.virtual_machine_manifest(uid)
        return None if found is None else model_of(VirtualMachine, found)

    def router_ports(self) -> frozenset[str]:
        # Of the manifests as they are: it is asked every few seconds
        machines = self._stores[VIRTUAL_MACHINES].values()
        return frozenset(port for machine in machines for port in _router_ports(machine))

    def volume(self, namespace: str, name: str) -> Volume | None:
        found = self._stores[VOLUMES].get(f"{namespace}/{name}")
        return None if found is None else model_of(Volume, found)

    def volume_handles(self) -> frozenset[str]:
        volumes = (model_of(Volume, found) for found in self._stores[VOLUMES].values())
        mine = (volume for volume in volumes if volume.status.host == self._host)
        return frozenset(volume.status.handle or volume.metadata.uid for volume in mine)

    def pool(self, name: str) -> StoragePool | None:
        if name:
            found = self._stores[STORAGE_POOLS].get(name)
            return None if found is None else model_of(StoragePool, found)
        return default_pool(model_of(StoragePool, item) for item in self._stores[STORAGE_POOLS].values())

    def pool_keys(self) -> Mapping[str, PoolKey]:
        specs = {name: found.get("spec") or {} for name, found in self._stores[STORAGE_POOLS].items()}
        return {
            name: Path(spec["dir"]["path"]) if spec.get("dir") else CephPool(name)
            for name, spec in specs.items()
        }

    def pool_of(self, key: PoolKey) -> str:
        return next((name for name, known in self.pool_keys().items() if known == key), "")

    def network(self, namespace: str, name: str) -> Network | None:
        found = self._stores[NETWORKS].get(resolve_key(namespace, name))
        return None if found is None else model_of(Network, found)

    def image(self, namespace: str, name: str) -> Image | None:
        found = self._stores[IMAGES].get(resolve_key(namespace, name))
        image = None if found is None else model_of(Image, found)
        known = self._stores[NAMESPACES].get(namespace)
        return image if image and admits(image.spec.allowed_namespaces, known) else None

    def in_maintenance(self) -> bool:
        found = self._stores[HOSTS].get(self._host)
        return found is not None and bool((found.get("spec") or {}).get("maintenance"))

    def recovery_open(self) -> bool:
        recoveries = (model_of(HostRecovery, item) for item in self._stores[HOST_RECOVERIES].values())
        return any(
            recovery.spec.host == self._host and recovery.status.phase not in _CLOSED_RECOVERY
            for recovery in recoveries
        )


def _router_ports(machine: Manifest) -> Iterator[str]:
    nics = (machine.get("spec") or {}).get("nics") or ()
    names = {nic["name"] for nic in nics if nic.get("portSecurity") == "Disabled"}
    for nic in (machine.get("status") or {}).get("nics") or ():
        if nic["name"] in names and nic.get("port"):
            yield nic["port"]
