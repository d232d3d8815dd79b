"""What of an object concerns the many that depend on it, or the one that counts many: parts for
`dispatch.OnChangeOf`.

The rest changes all the time, and would wake all of those. Pure, on plain dicts.
"""

from __future__ import annotations

from typing import Any

from quantix_client.api import Manifest

# of a host's word on a pool: whether it reaches it
_OF_POOLS = ("name", "state")


def pool_but_what_is_in_it(pool: Manifest) -> Any:
    """What decides whether it may be used; how much is promised is found by the Volumes."""
    return _without(pool, "allocated")


def host_but_amounts(host: Manifest) -> Any:
    """All but the images that it has, how full its pools are, how much its programs wait, and how much was
    promised to its VMs, which the operator says itself and counts anew where it decides.
    """
    pools = (host.get("status") or {}).get("pools") or []
    reached = [[pool.get(member) for member in _OF_POOLS] for pool in pools]
    return _without(host, "pools", "images", "pressure", "allocated", "virtualMachines"), reached


def host_as_load(host: Manifest) -> Any:
    """What decides whether VMs would be better off elsewhere: also how it fares, and what is promised."""
    status = host.get("status") or {}
    return host_but_amounts(host), status.get("pressure"), (status.get("allocated") or {}).get("memory")


def vm_as_balanced(vm: Manifest) -> Any:
    """What of a VM decides whether it would be better off elsewhere: its rules, and whether and where it
    runs.
    """
    spec, status = vm.get("spec") or {}, vm.get("status") or {}
    asked = [spec.get(name) for name in ("placement", "migration", "powerState")]
    return vm_as_neighbour(vm), asked, status.get("phase"), bool(status.get("migration"))


def wires_of_host(host: Manifest) -> Any:
    """The names of the wires that it has."""
    return [item.get("name") for item in (host.get("spec") or {}).get("physicalNetworks") or []]


def mtus_of_host(host: Manifest) -> Any:
    """What it says that fits through tunnels and wires, in bytes."""
    network = (host.get("status") or {}).get("network") or {}
    return network.get("underlayMTU"), network.get("physical")


def volume_but_its_making(volume: Manifest) -> Any:
    """What decides where its VM may run."""
    return _without(volume, "progress", "phase", "conditions", "observedGeneration")


def vm_as_load(vm: Manifest) -> Any:
    """What a VM is to its host: that it has it, or will, what it was promised, and what it has beside that
    until its next start.
    """
    status = vm.get("status") or {}
    runtime = status.get("runtime") or {}
    has = (runtime.get("domain"), runtime.get("pendingChanges"))
    return status.get("assignment"), status.get("migration"), status.get("resolved"), has


def as_work(obj: Manifest) -> Any:
    """What a snapshot or restore is to its host: whether that has still to do with it."""
    status = obj.get("status") or {}
    said = [status.get(name) for name in ("host", "phase", "data")]
    return said, obj["metadata"].get("deletionTimestamp")


def migration_but_progress(migration: Manifest) -> Any:
    """What decides how a migration goes on; how far its copy is decides nothing."""
    source = (migration.get("status") or {}).get("source") or {}
    words = {name: value for name, value in source.items() if name != "dirtyBytesPerSecond"}
    return _without(migration, "progress", "source"), words


def spec_alone(obj: Manifest) -> Any:
    """What is asked of it, whatever is said of it."""
    return obj.get("spec")


def without_progress(obj: Manifest) -> Any:
    """All but how far its copy is."""
    return _without(obj, "progress")


def vm_as_neighbour(vm: Manifest) -> Any:
    """What of a VM counts for those that want it near or away: what they choose it by, and where it is."""
    assignment = (vm.get("status") or {}).get("assignment") or {}
    return vm["metadata"].get("labels"), assignment.get("host")


def _without(obj: Manifest, *members: str) -> Any:
    metadata, status = obj["metadata"], obj.get("status") or {}
    seen = {name: value for name, value in status.items() if name not in members}
    asked = [metadata.get(name) for name in ("labels", "annotations", "deletionTimestamp", "generation")]
    return asked, obj.get("spec"), seen
