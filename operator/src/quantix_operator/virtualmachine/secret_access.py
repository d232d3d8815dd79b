"""Lets a host read the Secrets of the VMs that are assigned to it, of the encrypted Volumes that it keeps,
and of the pools that it reaches, and no others.

hostds may not list Secrets: in every namespace one Role and RoleBinding `quantix-host-HOST` names exactly
those that VMs on that host refer to (api.md, "Cloud-init Secrets"), and Volumes that it has by right. Called
by the VM controller before a start, and by its own controller when a VM, a Volume, a pool or a Host comes,
goes or changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from quantix_api import Host, StoragePool, VirtualMachine, Volume
from quantix_api.host_labels import selects
from quantix_api.resources import (
    ANNOTATION_VIRTUAL_MACHINE,
    HOST_USER_PREFIX,
    HOSTS,
    LABEL_MANAGED_BY,
    MANAGED_BY,
    MANAGER_OPERATOR,
    NAMESPACE_HOSTS,
    NAMESPACE_SYSTEM,
    ROLE_BINDINGS,
    ROLES,
    STORAGE_POOLS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_client.api import ApiClient, Manifest
from quantix_client.errors import NotFound
from quantix_client.reflector import key_of
from quantix_operator.cache import Cache
from quantix_operator.dispatch import Mapper
from quantix_operator.indexers import assigned_host, encrypted_in
from quantix_operator.objects import Objects
from quantix_operator.scheduling import host_reading
from quantix_operator.virtualmachine.observe import secret_references
from quantix_operator.volumedata.right import host_of_owners, owners_of, refuted

_OF_POOLS = (NAMESPACE_SYSTEM, NAMESPACE_HOSTS)
"""Where the keys of pools are: those for all hosts, and each host's own."""


class SecretAccess:
    """Keeps Role and RoleBinding of (namespace, host) as the VMs there need them."""

    def __init__(self, api: ApiClient, objects: Objects) -> None:
        self._api = api
        self._objects = objects
        self._granted: dict[tuple[str, str], frozenset[str]] = {}
        self._one_at_a_time = asyncio.Lock()

    async def ensure(self, namespace: str, host: str) -> None:
        """Grant what is needed now, take back what no longer is; nothing when that is so already."""
        async with self._one_at_a_time:
            await self._ensure(namespace, host)

    async def _ensure(self, namespace: str, host: str) -> None:
        names = frozenset(
            (
                *needed_secrets(self._objects.list(VirtualMachine, namespace), host),
                *secrets_of_volumes(self._objects, namespace, host),
                *(secrets_of_pools(self._objects, namespace, host) if namespace in _OF_POOLS else ()),
            )
        )
        if self._granted.get((namespace, host)) == names:
            return
        if names:
            for resource, manifest in render_access(namespace, host, names):
                await self._api.apply(resource, manifest, manager=MANAGER_OPERATOR)
        else:
            for resource in (ROLE_BINDINGS, ROLES):
                await self._delete(resource, role_name(host), namespace)
        self._granted[(namespace, host)] = names

    async def _delete(self, resource: Resource, name: str, namespace: str) -> None:
        try:
            await self._api.delete(resource, name, namespace)
        except NotFound:
            return


class SecretAccessController:
    """Keys are `namespace/host`: what a VM's going leaves too much is taken back here."""

    name = "secret-access"
    concurrency = 2
    resource: Resource | None = None

    def __init__(self, access: SecretAccess) -> None:
        self._access = access
        self.watches: Mapping[Resource, Mapper] = {
            VIRTUAL_MACHINES: _places,
            VOLUMES: _keepers,
            STORAGE_POOLS: _reaching,
            HOSTS: _reached,
        }

    async def reconcile(self, key: str) -> float | None:
        namespace, _, host = key.partition("/")
        await self._access.ensure(namespace, host)
        return None


def _places(vm: Manifest, cache: Cache) -> Iterable[str]:
    """Where a VM with Secrets is, its own or its volumes' (asked for its old and its new state)."""
    spec, status = vm.get("spec") or {}, vm.get("status") or {}
    hosts = {
        (status.get("assignment") or {}).get("host"),
        (status.get("migration") or {}).get("targetHost"),
    }
    secret = (spec.get("cloudInit") or {}).get("userDataSecretRef") or spec.get("sysprep")
    namespace = vm["metadata"]["namespace"]
    if not (secret or cache.by(VOLUMES, encrypted_in, namespace)):
        return ()
    return tuple(f"{namespace}/{host}" for host in sorted(filter(None, hosts)))


def _keepers(volume: Manifest, cache: Cache) -> Iterable[str]:
    """The host of an encrypted Volume, and those of VMs that may have it (as `_places`)."""
    if not tuple(encrypted_in(volume)):
        return ()
    namespace = volume["metadata"]["namespace"]
    hosts = {(volume.get("status") or {}).get("host")}
    names = {(volume["metadata"].get("annotations") or {}).get(ANNOTATION_VIRTUAL_MACHINE)}
    names |= {item.get("name") for item in (volume.get("status") or {}).get("attachedTo") or []}
    for name in filter(None, names):
        hosts.update(assigned_host(cache.get(VIRTUAL_MACHINES, f"{namespace}/{name}") or {}))
    return tuple(f"{namespace}/{host}" for host in sorted(filter(None, hosts)))


def _reaching(pool: Manifest, cache: Cache) -> Iterable[str]:
    """Every host that may reach a pool in Ceph, or might until now."""
    if not (pool.get("spec") or {}).get("rbd"):
        return ()
    return (f"{namespace}/{key_of(host)}" for host in cache.list(HOSTS) for namespace in _OF_POOLS)


def _reached(host: Manifest, cache: Cache) -> Iterable[str]:
    """The host itself, where there is a pool in Ceph that its labels may decide about."""
    if any((pool.get("spec") or {}).get("rbd") for pool in cache.list(STORAGE_POOLS)):
        yield from (f"{namespace}/{key_of(host)}" for namespace in _OF_POOLS)


def secrets_of_pools(objects: Objects, namespace: str, host: str) -> Iterable[str]:
    """The names of the Secrets there with keys of pools in Ceph that the host reaches."""
    found = objects.get(Host, host)
    if found is None or found.deleting:
        return
    labels = host_reading.implied_labels(found)
    for pool in objects.list(StoragePool):
        place = pool.spec.rbd
        if place is None or not selects(pool.spec.host_selector, labels):
            continue
        account = place.account(pool.metadata.name, host)
        if account.namespace == namespace:
            yield account.secret


def secrets_of_volumes(objects: Objects, namespace: str, host: str) -> Iterable[str]:
    """The names of the Secrets of encrypted Volumes that the host keeps, or that it is to make for a VM."""
    for volume in objects.by(Volume, encrypted_in, namespace):
        if volume.spec.encryption is None:
            continue
        owners = owners_of(objects, volume)
        keeper = volume.status.host or host_of_owners(owners)
        comes = any(_moves_to(vm, host) for vm in owners)
        # in a shared pool, too: what a host says there of itself gives it no passphrase
        if (keeper == host or comes) and not refuted(volume, owners):
            yield volume.spec.encryption.secret_ref.name


def needed_secrets(vms: Iterable[VirtualMachine], host: str) -> Iterable[str]:
    """The names of Secrets that VMs assigned to the host, or on their way to it, refer to."""
    for vm in vms:
        assignment = vm.status.assignment
        if (assignment is not None and assignment.host == host) or _moves_to(vm, host):
            yield from (name for _, name, _ in secret_references(vm))


def _moves_to(vm: VirtualMachine, host: str) -> bool:
    return vm.status.migration is not None and vm.status.migration.target_host == host


def role_name(host: str) -> str:
    return f"quantix-host-{host}"


def render_access(namespace: str, host: str, secrets: Iterable[str]) -> tuple[tuple[Resource, Manifest], ...]:
    """Role and RoleBinding for one host in one namespace."""
    metadata = {
        "name": role_name(host),
        "namespace": namespace,
        "labels": {LABEL_MANAGED_BY: MANAGED_BY},
    }
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": sorted(secrets)}
    group = "rbac.authorization.k8s.io"
    subject = {"kind": "User", "apiGroup": group, "name": f"{HOST_USER_PREFIX}{host}"}
    reference = {"apiGroup": group, "kind": "Role", "name": role_name(host)}
    return (
        (ROLES, {"metadata": metadata, "rules": [rule]}),
        (ROLE_BINDINGS, {"metadata": metadata, "subjects": [subject], "roleRef": reference}),
    )
