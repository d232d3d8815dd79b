"""Which rules of a VM's placement are broken where it is: for PlacementOK.

Called by observe, for VMs with such rules only. Reads the cache.
"""

from __future__ import annotations

from quantix_api import Host, VirtualMachine
from quantix_api.vm_placement import AffinityTerm
from quantix_operator.objects import Objects
from quantix_operator.scheduling import host_reading


def broken_affinity(objects: Objects, vm: VirtualMachine, host: Host) -> tuple[str, ...]:
    """VMs that it should be near to, and no such VM is near."""
    for term in vm.spec.placement.affinity:
        if term.strength != "Required":
            continue
        group = _group(objects, vm, term)
        if group and not any(_near(objects, other, host, term.topology_key) for other in group):
            return tuple(other.metadata.name for other in group)
    return ()


def broken_anti_affinity(objects: Objects, vm: VirtualMachine, host: Host) -> tuple[str, ...]:
    """VMs that it should be away from and is not."""
    for term in vm.spec.placement.anti_affinity:
        if term.strength != "Required":
            continue
        near = [
            other.metadata.name
            for other in _group(objects, vm, term)
            if _near(objects, other, host, term.topology_key)
        ]
        if near:
            return tuple(sorted(near))
    return ()


def _group(objects: Objects, vm: VirtualMachine, term: AffinityTerm) -> list[VirtualMachine]:
    """The other VMs of the namespace that the term selects and that have a host."""
    return [
        other
        for other in objects.list(VirtualMachine, vm.metadata.namespace)
        if other.metadata.uid != vm.metadata.uid
        and other.status.assignment is not None
        and other.status.assignment.host
        and all(other.metadata.labels.get(key) == value for key, value in term.vm_selector.items())
    ]


def _near(objects: Objects, other: VirtualMachine, host: Host, topology_key: str) -> bool:
    assignment = other.status.assignment
    theirs = objects.get(Host, assignment.host) if assignment and assignment.host else None
    if theirs is None:
        return False
    domain = host_reading.implied_labels(host).get(topology_key)
    return domain is not None and host_reading.implied_labels(theirs).get(topology_key) == domain
