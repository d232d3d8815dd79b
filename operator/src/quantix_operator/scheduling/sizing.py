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


def _reserved(cores: int, reservation: str | None, *, dedicated: bool) -> int | None:
    if dedicated:
        return cores * 1000
    return None if reservation is None else cpu_millis(reservation)
