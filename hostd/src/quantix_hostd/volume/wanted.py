"""Which Volumes this host acts on, and what they are made from: pure, over the cached objects.

Called by the volume controller and by `dispatch`, which fetches by name what no selection delivers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from quantix_api import VirtualMachine, Volume, volume_name
from quantix_api.resources import LABEL_VIRTUAL_MACHINE_UID

_SHARED = "shared/"
_SHARED_NAMESPACE = "quantix-shared"

Manifest = Mapping[str, Any]


def is_mine(volume: Volume, host: str, machines: Iterable[VirtualMachine]) -> bool:
    """Whether this host acts on it: it says so, or nobody has it and a VM of this host names it."""
    if volume.status.host:
        return volume.status.host == host
    return any(
        volume.metadata.namespace == vm.metadata.namespace and volume.metadata.name in volume_names(vm)
        for vm in machines
        if assigned_to(vm, host)
    )


def assigned_to(vm: VirtualMachine, host: str) -> bool:
    assignment = vm.status.assignment
    return assignment is not None and assignment.host == host


def volume_names(vm: VirtualMachine) -> Iterator[str]:
    """The names of the Volumes that stand for the VM's disks."""
    for disk in vm.spec.disks:
        yield disk.volume or volume_name(vm.metadata.name, disk.name)


def volume_keys(vm: VirtualMachine) -> Iterator[str]:
    """The same, as keys."""
    for name in volume_names(vm):
        yield f"{vm.metadata.namespace}/{name}"


def image_key(namespace: str | None, reference: str) -> str:
    """The key of the Image that `reference` means from `namespace` (api.md, section 2)."""
    if reference.startswith(_SHARED):
        return f"{_SHARED_NAMESPACE}/{reference.removeprefix(_SHARED)}"
    return f"{namespace}/{reference}"


def image_key_of(volume: Volume) -> str | None:
    """The key of the Image that a Volume is made from."""
    source = volume.spec.source
    if source is None or source.image is None:
        return None
    return image_key(volume.metadata.namespace, source.image)


def belongs_to_vm(volume: Volume) -> bool:
    """Whether a VM has it, running or not: then only that VM's start and its QEMU may change its data."""
    return LABEL_VIRTUAL_MACHINE_UID in volume.metadata.labels or bool(volume.status.attached_to)
