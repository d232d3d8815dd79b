"""A Volume that goes with the VM that owned it. Reads the cache only."""

from __future__ import annotations

from quantix_api import VirtualMachine, Volume
from quantix_api.model import OwnerReference
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_operator.objects import Objects


def is_going(objects: Objects, volume: Volume) -> bool:
    """Whether it is deleted, or the garbage collector will delete it since all its owners are VMs that go or
    are gone. Nobody may get it between: it would be deleted under its new user. What is protected stays.
    """
    if volume.deleting:
        return True
    owners = volume.metadata.owner_references
    if not owners or volume.spec.deletion_protection:
        return False
    namespace = volume.metadata.namespace or ""
    return all(_is_going_vm(objects, namespace, owner) for owner in owners)


def _is_going_vm(objects: Objects, namespace: str, owner: OwnerReference) -> bool:
    """Of owners of other kinds nothing is known here: they count as there."""
    if (owner.api_version, owner.kind) != (VIRTUAL_MACHINES.api_version, VIRTUAL_MACHINES.kind):
        return False
    vm = objects.get(VirtualMachine, f"{namespace}/{owner.name}")
    return vm is None or vm.metadata.uid != owner.uid or vm.deleting
