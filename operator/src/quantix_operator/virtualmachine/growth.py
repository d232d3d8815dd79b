"""Whether a VM's host has room for what its spec asks beyond what the VM was given.

Called by the VM controller, under the lock of promises. Reads the cache only. What other VMs were given
counts, and not what they ask for: of two that grow at once the first has it.
"""

from __future__ import annotations

from quantix_api import Host, SchedulingPolicy, VirtualMachine
from quantix_api.quantities import format_size
from quantix_operator.objects import Objects
from quantix_operator.scheduling.eligible import Obstacle
from quantix_operator.scheduling.filters import cpu_room, memory_room
from quantix_operator.scheduling.model import Placed, World
from quantix_operator.scheduling.observe import guest_of, sizing_of, view_of
from quantix_operator.scheduling.occupancy import Occupancy
from quantix_operator.scheduling.sizing import Sizing, given

_MIB = 1 << 20


def grows(vm: VirtualMachine, wanted: Sizing | None) -> bool:
    """Whether a VM that has a host asks for more memory or cores than it was given."""
    has = given(vm, None)
    if has is None or wanted is None or vm.status.assignment is None or vm.status.assignment.host is None:
        return False
    return wanted.memory_bytes > has.memory_bytes or wanted.cores > has.cores


def lacking_room(objects: Objects, vm: VirtualMachine, wanted: Sizing) -> Obstacle | None:
    """What its host lacks for `wanted`; None when it fits."""
    assignment = vm.status.assignment
    host = objects.get(Host, assignment.host or "") if assignment else None
    if host is None:
        return None
    seen = view_of(host, (), objects.get(SchedulingPolicy, "default"))
    placed = tuple(
        Placed(guest_of(objects, other, size, ()), host.metadata.name)
        for other in objects.list(VirtualMachine)
        if other.metadata.uid != vm.metadata.uid
        and other.status.assignment is not None
        and other.status.assignment.host == host.metadata.name
        and (size := given(other, sizing_of(objects, other))) is not None
    )
    occupancy = Occupancy(World((seen,), placed))
    guest, name = guest_of(objects, vm, wanted, ()), vm.metadata.name
    if memory_room(guest, seen, occupancy) is not None:
        free = format_size(max(occupancy.free_memory_bytes(seen), 0) // _MIB * _MIB)
        needed = format_size(guest.memory_bytes // _MIB * _MIB)
        return Obstacle("NotEnoughMemory", {"host": seen.name, "free": free, "needs": needed, "name": name})
    if cpu_room(guest, seen, occupancy) is not None:
        return Obstacle("NotEnoughCPU", {"host": seen.name, "cores": str(guest.vcpus), "name": name})
    return None
