"""How large a VM is: its own numbers, or its instance type's.

Pure; used by the scheduler for what a VM asks of a host, and by the VM controller for `status.resolved`.
"""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api import InstanceType, VirtualMachine
from quantix_api.quantities import cpu_millis, size_bytes


@dataclass(frozen=True)
class Sizing:
    """Sizes as the API writes them; `reservation_millis` None: the share that overcommit leaves."""

    cores: int
    max_cores: int
    memory: str
    max_memory: str
    reservation_millis: int | None = None

    @property
    def memory_bytes(self) -> int:
        return size_bytes(self.memory)


def sizing(vm: VirtualMachine, instance_type: InstanceType | None) -> Sizing | None:
    """The VM's size; None when its instance type is not there (or says nothing)."""
    cpu, memory = vm.spec.cpu, vm.spec.memory
    base_cpu = instance_type.spec.cpu if instance_type is not None else None
    base_memory = instance_type.spec.memory if instance_type is not None else None
    cores = cpu.cores or (base_cpu.cores if base_cpu else None)
    size = memory.size or (base_memory.size if base_memory else None)
    if cores is None or size is None:
        return None
    reservation = cpu.reservation or (base_cpu.reservation if base_cpu else None)
    return Sizing(
        cores=cores,
        max_cores=max(cores, cpu.max_cores or (base_cpu.max_cores if base_cpu else None) or cores),
        memory=size,
        max_memory=memory.max_size or (base_memory.max_size if base_memory else None) or size,
        reservation_millis=_reserved(cores, reservation, dedicated=cpu.dedicated),
    )


def given(vm: VirtualMachine, wanted: Sizing | None) -> Sizing | None:
    """What a VM that its host has was given, whatever its spec asks for meanwhile; else `wanted`.

    So a growth that is refused keeps nobody else off the host.
    """
    resolved, assignment = vm.status.resolved, vm.status.assignment
    heard = assignment is not None and vm.status.runtime.observed_epoch == assignment.epoch
    if not heard or resolved is None or resolved.cores is None or resolved.memory is None:
        return wanted
    return Sizing(
        resolved.cores,
        resolved.max_cores or resolved.cores,
        resolved.memory,
        resolved.max_memory or resolved.memory,
        wanted.reservation_millis if wanted else None,
    )


def _reserved(cores: int, reservation: str | None, *, dedicated: bool) -> int | None:
    if dedicated:
        return cores * 1000
    return None if reservation is None else cpu_millis(reservation)
