"""Which VMs a change of another object concerns.

Read by the dispatcher; pure and quick, on plain dicts, and content with half-filled objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from quantix_api.references import shared_reference
from quantix_api.resources import (
    ANNOTATION_VIRTUAL_MACHINE,
    HOSTS,
    IMAGES,
    INSTANCE_TYPES,
    NAMESPACE_SHARED,
    NAMESPACES,
    NETWORKS,
    SECURITY_GROUPS,
    STORAGE_POOLS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_client.api import Manifest
from quantix_client.reflector import key_of
from quantix_operator.cache import Cache
from quantix_operator.dispatch import Mapper


def _of_vm(vm: Manifest, cache: Cache) -> Iterable[str]:
    """Itself, and those that chose the UUID which it has or leaves."""
    yield key_of(vm)
    metadata = vm["metadata"]
    chosen = _chosen_uuid(vm)
    if chosen or metadata.get("deletionTimestamp"):
        uuid = chosen or metadata.get("uid")
        yield from (key_of(other) for other in cache.list(VIRTUAL_MACHINES) if _chosen_uuid(other) == uuid)


def _chosen_uuid(vm: Manifest) -> str:
    return str(((vm.get("spec") or {}).get("identity") or {}).get("uuid") or "")


def _of_volume(volume: Manifest, cache: Cache) -> Iterable[str]:
    """The VM that it was made for, those that attach it or copy it by name, and those that wait for room."""
    metadata = volume["metadata"]
    maker = (metadata.get("annotations") or {}).get(ANNOTATION_VIRTUAL_MACHINE)
    if maker:
        yield f"{metadata['namespace']}/{maker}"
    name = metadata["name"]
    for vm in cache.list(VIRTUAL_MACHINES, metadata.get("namespace")):
        own = f"{vm['metadata']['name']}-"
        if name.startswith(own) or any(
            name in (disk.get("volume"), disk.get("cloneOf")) for disk in _disks(vm)
        ):
            yield key_of(vm)
    yield from (key_of(vm) for vm in cache.list(VIRTUAL_MACHINES) if _waits_for_room(vm))


def _of_image(image: Manifest, cache: Cache) -> Iterable[str]:
    """VMs with a disk or drive of that image; a new name may also be near to a wrong one."""
    return _naming(image, cache, lambda vm: _members(vm, ("disks", "cdroms"), "image"))


def _of_network(network: Manifest, cache: Cache) -> Iterable[str]:
    return _naming(network, cache, lambda vm: _members(vm, ("nics",), "network"))


def _of_security_group(group: Manifest, cache: Cache) -> Iterable[str]:
    """VMs that list it, or that have it because they list none."""
    name, namespace = group["metadata"]["name"], group["metadata"].get("namespace")
    for vm in cache.list(VIRTUAL_MACHINES, namespace):
        for nic in (vm.get("spec") or {}).get("nics") or []:
            if name in nic.get("securityGroups", ["default"]):
                yield key_of(vm)


def _of_instance_type(instance_type: Manifest, cache: Cache) -> Iterable[str]:
    name = instance_type["metadata"]["name"]
    return (
        key_of(vm)
        for vm in cache.list(VIRTUAL_MACHINES)
        if (vm.get("spec") or {}).get("instanceType") == name
    )


def _of_pool(_pool: Manifest, cache: Cache) -> Iterable[str]:
    """VMs that wait: the pool may be the one that is missing, or have room now."""
    machines = cache.list(VIRTUAL_MACHINES)
    return (key_of(vm) for vm in machines if not _has_resolved(vm) or _waits_for_room(vm))


def _of_host(host: Manifest, cache: Cache) -> Iterable[str]:
    name = host["metadata"]["name"]
    for vm in cache.list(VIRTUAL_MACHINES):
        assignment = (vm.get("status") or {}).get("assignment") or {}
        if assignment.get("host") == name:
            yield key_of(vm)


def _of_namespace(namespace: Manifest, cache: Cache) -> Iterable[str]:
    """Its labels decide what of `shared` its VMs may use."""
    name = namespace["metadata"]["name"]
    return (key_of(vm) for vm in cache.list(VIRTUAL_MACHINES, name) if not _has_resolved(vm))


def _naming(named: Manifest, cache: Cache, names: Callable[[Manifest], Iterable[str]]) -> Iterator[str]:
    metadata = named["metadata"]
    home = metadata.get("namespace")
    references = {shared_reference(metadata["name"])} if home == NAMESPACE_SHARED else set()
    for vm in cache.list(VIRTUAL_MACHINES):
        wanted = references | ({metadata["name"]} if vm["metadata"].get("namespace") == home else set())
        if wanted & set(names(vm)):
            yield key_of(vm)


def _members(vm: Manifest, lists: tuple[str, ...], member: str) -> Iterator[str]:
    spec = vm.get("spec") or {}
    for name in lists:
        for device in spec.get(name) or []:
            if device.get(member):
                yield device[member]


def _disks(vm: Manifest) -> list[dict[str, Any]]:
    return list((vm.get("spec") or {}).get("disks") or [])


def _waits_for_room(vm: Manifest) -> bool:
    conditions = (vm.get("status") or {}).get("conditions") or []
    return any(item.get("reason") == "PoolFull" for item in conditions)


def _has_resolved(vm: Manifest) -> bool:
    return bool((vm.get("status") or {}).get("resolved"))


WATCHES: dict[Resource, Mapper] = {
    VIRTUAL_MACHINES: _of_vm,
    VOLUMES: _of_volume,
    IMAGES: _of_image,
    NETWORKS: _of_network,
    SECURITY_GROUPS: _of_security_group,
    INSTANCE_TYPES: _of_instance_type,
    STORAGE_POOLS: _of_pool,
    HOSTS: _of_host,
    NAMESPACES: _of_namespace,
}
