"""How large a VM is: its own numbers, or its instance type's.

Pure; used by the scheduler for what a VM asks of a host, and by the VM controller for `status.resolved`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quantix_api import InstanceType, VirtualMachine
from quantix_api.compute import Compute, compute_of, granted_devices
from quantix_api.quantities import cpu_millis, format_cpu, size_bytes
from quantix_api.vm_status import Granted, GrantedDevice


@dataclass(frozen=True)
class Sizing:
    """Sizes as the API writes them; `reservation_millis` None: the share that overcommit leaves. `devices`:
    names and classes of those of the host; `cpu_model` as spec names it, or as it was resolved.

    No VM reserves more than all its cores can use: else one that runs could keep all others off its host.
    """

    cores: int
    max_cores: int
    memory: str
    max_memory: str
    reservation_millis: int | None = None
    dedicated: bool = False
    hugepages: str = ""
    mirrors_numa: bool = False
    devices: tuple[tuple[str, str], ...] = ()
    cpu_model: str = "Auto"

    @property
    def most_bytes(self) -> int:
        """What it can grow to while it runs."""
        return max(self.memory_bytes, size_bytes(self.max_memory))

    @property
    def memory_bytes(self) -> int:
        return size_bytes(self.memory)

    @property
    def granted(self) -> Granted | None:
        """What of it a VM has to itself; None: nothing."""
        members: dict[str, Any] = {
            "dedicated": self.dedicated,
            "numa": "Strict" if self.mirrors_numa else "",
            "hugepages": self.hugepages,
            "reservation": format_cpu(self.reservation_millis) if self.reservation_millis else "",
            "host_devices": tuple(GrantedDevice(name=name, class_=class_) for name, class_ in self.devices),
        }
        said = {name: value for name, value in members.items() if value}
        return Granted(**said) if said else None


def sizing(vm: VirtualMachine, instance_type: InstanceType | None) -> Sizing | None:
    """The VM's size; None when its instance type is not there (or says nothing)."""
    if vm.spec.instance_type is not None and instance_type is None:
        return None
    compute = compute_of(vm, instance_type.spec if instance_type else None)
    cores, size = compute.cores, compute.size
    if cores is None or size is None:
        return None
    most = max(cores, compute.max_cores or cores)
    return _sized(compute, cores, most, size, compute.max_size or size, _devices(vm))


def kept(vm: VirtualMachine) -> Sizing | None:
    """What a VM was given whose instance type went; None for one that was given nothing of that type."""
    resolved = vm.status.resolved
    if resolved is None or not was_resolved(vm) or resolved.cores is None or resolved.memory is None:
        return None
    # the name was not always kept: of a type without one nothing tells that it is another
    if resolved.of_type is None or resolved.of_type.name not in (None, vm.spec.instance_type):
        return None
    most, max_memory = resolved.max_cores or resolved.cores, resolved.max_memory or resolved.memory
    return _sized(compute_of(vm), resolved.cores, most, resolved.memory, max_memory, _devices(vm))


def was_resolved(vm: VirtualMachine) -> bool:
    """Whether it was decided how the VM is run; before that there is its size at most, for people to see."""
    return vm.status.resolved is not None and vm.status.resolved.uuid is not None


def given(vm: VirtualMachine, wanted: Sizing | None) -> Sizing | None:
    """What a VM that its host has was given, whatever its spec asks for meanwhile; else `wanted`.

    So a growth that is refused keeps nobody else off the host.
    """
    assignment = vm.status.assignment
    heard = assignment is not None and vm.status.runtime.observed_epoch == assignment.epoch
    return (granted_sizing(vm) if heard and was_resolved(vm) else None) or wanted


def granted_sizing(vm: VirtualMachine) -> Sizing | None:
    """What it was given last; None while that is nothing."""
    resolved = vm.status.resolved
    if resolved is None or resolved.cores is None or resolved.memory is None:
        return None
    most, has = resolved.max_cores or resolved.cores, resolved.granted or Granted()
    return Sizing(
        resolved.cores,
        most,
        resolved.memory,
        resolved.max_memory or resolved.memory,
        _reserved(most, has.reservation),
        dedicated=has.dedicated,
        hugepages=has.hugepages or "",
        mirrors_numa=has.numa == "Strict",
        devices=tuple(granted_devices(vm).items()),
        cpu_model=resolved.cpu_model or "Auto",
    )


def _devices(vm: VirtualMachine) -> tuple[tuple[str, str], ...]:
    return tuple((device.name, device.class_) for device in vm.spec.host_devices)


def _sized(
    compute: Compute,
    cores: int,
    most: int,
    size: str,
    max_size: str,
    devices: tuple[tuple[str, str], ...],
) -> Sizing:
    return Sizing(
        cores=cores,
        max_cores=most,
        memory=size,
        max_memory=max_size,
        reservation_millis=_reserved(most, compute.reservation),
        dedicated=compute.dedicated,
        hugepages=compute.hugepages or "",
        mirrors_numa=compute.numa == "Strict",
        devices=devices,
        cpu_model=compute.model,
    )


def _reserved(most: int, reservation: str | None) -> int | None:
    return None if reservation is None else min(cpu_millis(reservation), most * 1000)
