"""Which VMs a change of another object concerns.

Read by the dispatcher; pure and quick, on plain dicts, and content with half-filled objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

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
    VIRTUAL_MACHINE_SNAPSHOTS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_client.api import Manifest
from quantix_client.reflector import key_of
from quantix_operator.cache import Cache
from quantix_operator.dispatch import Mapper, OnChangeOf, Several
from quantix_operator.indexers import (
    POOL_FULL,
    UNRESOLVED,
    assigned_host,
    choosy_in,
    refused_for,
    snapshots_named,
    unresolved,
    volumes_named,
)
from quantix_operator.parts import host_but_amounts, pool_but_what_is_in_it, vm_as_neighbour, without_progress
from quantix_operator.staying import silent_in


def _of_vm(vm: Manifest, cache: Cache) -> Iterable[str]:
    """Itself, and those that chose the UUID which it has or leaves."""
    yield key_of(vm)
    metadata = vm["metadata"]
    chosen = _chosen_uuid(vm)
    if chosen or metadata.get("deletionTimestamp"):
        uuid = chosen or metadata.get("uid")
        yield from (key_of(other) for other in cache.by(VIRTUAL_MACHINES, _chosen_uuids, str(uuid)))


def _of_neighbour(vm: Manifest, cache: Cache) -> Iterable[str]:
    """VMs of its namespace for whose placement it may count."""
    namespace = str(vm["metadata"].get("namespace"))
    return (key_of(other) for other in cache.by(VIRTUAL_MACHINES, choosy_in, namespace))


def _chosen_uuid(vm: Manifest) -> str:
    return str(((vm.get("spec") or {}).get("identity") or {}).get("uuid") or "")


def _chosen_uuids(vm: Manifest) -> Iterable[str]:
    chosen = _chosen_uuid(vm)
    return (chosen,) if chosen else ()


def _of_volume(volume: Manifest, cache: Cache) -> Iterable[str]:
    """The VM that it was made for, those that attach it or copy it by name, those that would take its name or
    that of what it is still to be made from, which is kept for it, and those that wait for room.
    """
    metadata = volume["metadata"]
    maker = (metadata.get("annotations") or {}).get(ANNOTATION_VIRTUAL_MACHINE)
    if maker:
        yield f"{metadata['namespace']}/{maker}"
    namespace, name = metadata.get("namespace"), metadata["name"]
    yield from _that_would_take(namespace, name, cache)
    source = ((volume.get("spec") or {}).get("source") or {}).get("volume")
    if source and (volume.get("status") or {}).get("data") != "Present":
        yield from _that_would_take(namespace, source, cache)
    yield from (key_of(vm) for vm in cache.by(VIRTUAL_MACHINES, volumes_named, f"{namespace}/{name}"))
    yield from (key_of(vm) for vm in cache.by(VIRTUAL_MACHINES, refused_for, POOL_FULL))


def _that_would_take(namespace: str | None, name: str, cache: Cache) -> Iterator[str]:
    """VMs of which a disk may have the Volume of that name."""
    parts = name.split("-")
    for length in range(1, len(parts)):
        key = f"{namespace}/{'-'.join(parts[:length])}"
        if cache.get(VIRTUAL_MACHINES, key) is not None:
            yield key


def _of_snapshot(snapshot: Manifest, cache: Cache) -> Iterable[str]:
    """VMs with a disk that is made from it."""
    return (key_of(vm) for vm in cache.by(VIRTUAL_MACHINES, snapshots_named, key_of(snapshot)))


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
    yield from (key_of(vm) for vm in cache.by(VIRTUAL_MACHINES, unresolved, UNRESOLVED))
    yield from (key_of(vm) for vm in cache.by(VIRTUAL_MACHINES, refused_for, POOL_FULL))


def _of_host(host: Manifest, cache: Cache) -> Iterable[str]:
    name = host["metadata"]["name"]
    return (key_of(vm) for vm in cache.by(VIRTUAL_MACHINES, assigned_host, name))


def _of_namespace(namespace: Manifest, cache: Cache) -> Iterable[str]:
    """Its labels decide what of `shared` its VMs may use; of one that is deleted all say so."""
    name = namespace["metadata"]["name"]
    waiting = cache.by(VIRTUAL_MACHINES, unresolved, UNRESOLVED)
    yield from (key_of(vm) for vm in waiting if vm["metadata"].get("namespace") == name)
    yield from silent_in(namespace, cache, VIRTUAL_MACHINES)


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


WATCHES: dict[Resource, Mapper] = {
    VIRTUAL_MACHINES: Several((_of_vm, OnChangeOf(vm_as_neighbour, _of_neighbour))),
    VOLUMES: _of_volume,
    IMAGES: _of_image,
    VIRTUAL_MACHINE_SNAPSHOTS: OnChangeOf(without_progress, _of_snapshot),
    NETWORKS: _of_network,
    SECURITY_GROUPS: _of_security_group,
    INSTANCE_TYPES: _of_instance_type,
    STORAGE_POOLS: OnChangeOf(pool_but_what_is_in_it, _of_pool),
    HOSTS: OnChangeOf(host_but_amounts, _of_host),
    NAMESPACES: _of_namespace,
}
