"""What a VM gets of CPU and memory: its own word, else its instance type's, else the default. Pure.

Read by the operator, which knows the type, and by hosts, which find what the type says in `status.resolved`:
a type that goes takes nothing away from its VMs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from quantix_api.virtual_machine import VirtualMachine
from quantix_api.vm_compute import CPU, CPUFeature, Memory
from quantix_api.vm_status import Granted

T = TypeVar("T")
_MIB, _GIB = 1 << 20, 1 << 30


class Sizes(Protocol):
    """An InstanceType's spec, or what is kept of it."""

    @property
    def cpu(self) -> CPU: ...
    @property
    def memory(self) -> Memory: ...


@dataclass(frozen=True)
class Compute:
    """The members of `spec.cpu` and `spec.memory`, by their names; None: nothing is said, and absent means
    what the API says of the field.
    """

    cores: int | None = None
    max_cores: int | None = None
    sockets: int = 1
    threads: int = 1
    model: str = "Auto"
    features: tuple[CPUFeature, ...] = ()
    dedicated: bool = False
    numa: str = "Auto"
    weight: int = 100
    limit: str | None = None
    reservation: str | None = None
    size: str | None = None
    max_size: str | None = None
    min_size: str | None = None
    hugepages: str | None = None


def compute_of(vm: VirtualMachine, of_type: Sizes | None = None) -> Compute:
    """`of_type`: what the VM's instance type says; without it, what was kept of it."""
    if vm.spec.instance_type is None:
        of_type = None
    elif of_type is None and vm.status.resolved is not None:
        of_type = vm.status.resolved.of_type
    cpu, memory = vm.spec.cpu, vm.spec.memory
    type_cpu, type_memory = (of_type.cpu, of_type.memory) if of_type else (CPU(), Memory())
    dedicated = _said(cpu.dedicated, type_cpu.dedicated, False)
    return Compute(
        cores=_said(cpu.cores, type_cpu.cores, None),
        max_cores=_said(cpu.max_cores, type_cpu.max_cores, None),
        sockets=_said(cpu.sockets, type_cpu.sockets, 1),
        threads=_said(cpu.threads, type_cpu.threads, 1),
        model=_said(cpu.model, type_cpu.model, "Auto"),
        features=cpu.features or type_cpu.features,
        dedicated=dedicated,
        # a VM that shares CPUs beside a type that does not has no nodes to mirror
        numa=_said(cpu.numa, type_cpu.numa, "Auto") if dedicated else "Auto",
        weight=_said(cpu.weight, type_cpu.weight, 100),
        limit=_said(cpu.limit, type_cpu.limit, None),
        reservation=_said(cpu.reservation, type_cpu.reservation, None),
        size=_said(memory.size, type_memory.size, None),
        max_size=_said(memory.max_size, type_memory.max_size, None),
        min_size=_said(memory.min_size, type_memory.min_size, None),
        hugepages=_said(memory.hugepages, type_memory.hugepages, None),
    )


def granted_compute(vm: VirtualMachine) -> Compute:
    """With what the VM was granted to itself, not what it asks for; before anything was decided there is
    only that.
    """
    compute, resolved = compute_of(vm), vm.status.resolved
    if resolved is None or resolved.uuid is None:
        return compute
    has = resolved.granted or Granted()
    return replace(compute, dedicated=has.dedicated, numa=has.numa, hugepages=has.hugepages)


def granted_devices(vm: VirtualMachine) -> Mapping[str, str]:
    """Classes of the host's devices that it was granted and still names, by their names."""
    granted = vm.status.resolved.granted if vm.status.resolved else None
    names = {device.name for device in vm.spec.host_devices}
    has = granted.host_devices if granted else ()
    return {device.name: device.class_ for device in has if device.name in names}


def memory_request_bytes(guest_ram_bytes: int, devices: int = 0) -> int:
    """Guest RAM, 64 MiB for QEMU, 32 MiB for each device of the host, and 2 MiB a GiB for page tables
    (design/hypervisor.md, section 11).
    """
    gib = -(-guest_ram_bytes // _GIB)
    return guest_ram_bytes + 64 * _MIB + 32 * _MIB * devices + 2 * _MIB * gib


def _said(own: T | None, of_type: T | None, default: T) -> T:
    if own is not None:
        return own
    return of_type if of_type is not None else default
