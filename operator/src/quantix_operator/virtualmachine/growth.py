"""Whether a VM's host has room for what its spec asks beyond what the VM was given, also to itself.

Called by the VM controller, under the lock of promises. Reads the cache only. What other VMs were given
counts, and not what they ask for: of two that grow at once the first has it.
"""

from __future__ import annotations

from collections import Counter

from quantix_api import Host, SchedulingPolicy, VirtualMachine
from quantix_api.address_space import addressable_bytes
from quantix_api.quantities import counted, format_cpu, format_size, human_size, human_sizes
from quantix_operator.objects import Objects
from quantix_operator.scheduling.eligible import Obstacle
from quantix_operator.scheduling.filters import cpu_room, devices, huge_page_room, memory_room, node_room
from quantix_operator.scheduling.host_reading import address_bits, view_of
from quantix_operator.scheduling.model import Guest, HostView, Placed, World
from quantix_operator.scheduling.observe import guest_of, has_sizes, sizing_of, unread_vms
from quantix_operator.scheduling.occupancy import Occupancy
from quantix_operator.scheduling.sizing import Sizing, given
from quantix_operator.scheduling.unread import without


def grows(vm: VirtualMachine, wanted: Sizing | None) -> bool:
    """Whether a VM that has a host asks for more memory or cores than it was given, or for more of its host
    to itself: of CPUs the most cores count there, since each that may come needs one.
    """
    has = given(vm, None)
    if has is None or wanted is None or vm.status.assignment is None or vm.status.assignment.host is None:
        return False
    return wanted.memory_bytes > has.memory_bytes or wanted.cores > has.cores or _owns_more(wanted, has)


def _owns_more(wanted: Sizing, has: Sizing) -> bool:
    """Memory that leaves its huge pages is more of the ordinary one."""
    more_cpus = wanted.dedicated and (not has.dedicated or wanted.max_cores > has.max_cores)
    on_nodes = wanted.mirrors_numa and not has.mirrors_numa
    classes, had = (Counter(class_ for _, class_ in sizing.devices) for sizing in (wanted, has))
    reserves_more = (wanted.reservation_millis or 0) > (has.reservation_millis or 0)
    return more_cpus or on_nodes or reserves_more or wanted.hugepages != has.hugepages or bool(classes - had)


def beyond_addresses(objects: Objects, vm: VirtualMachine, wanted: Sizing) -> Obstacle | None:
    """What keeps its host from giving the guest addresses for all that `wanted` may grow to; None: nothing.
    Asked for whatever the VM was given: with such a ceiling no QEMU starts.
    """
    host = _host(objects, vm)
    if host is None:
        return None
    ceiling_bytes = addressable_bytes(address_bits(host), wanted.cpu_model)
    if wanted.most_bytes <= ceiling_bytes:
        return None
    sizes = {"ceiling": format_size(ceiling_bytes), "most": format_size(wanted.most_bytes)}
    said = {"host": host.metadata.name, "name": vm.metadata.name}
    return Obstacle("NotEnoughMemory", sizes | said)


def lacking_room(objects: Objects, vm: VirtualMachine, wanted: Sizing) -> Obstacle | None:
    """What its host lacks for `wanted`; None when it fits."""
    host = _host(objects, vm)
    if host is None:
        return None
    whole = view_of(host, (), objects.get(SchedulingPolicy, "default"))
    seen = without(whole, unread_vms(objects))
    placed = tuple(
        Placed(guest_of(objects, other, size, ()), host.metadata.name)
        for other in objects.list(VirtualMachine)
        if other.metadata.uid != vm.metadata.uid
        and other.status.assignment is not None
        and other.status.assignment.host == host.metadata.name
        and has_sizes(objects, other)
        and (size := given(other, sizing_of(objects, other))) is not None
    )
    occupancy = Occupancy(World((seen,), placed))
    return _lack(guest_of(objects, vm, wanted, ()), seen, occupancy)


def _host(objects: Objects, vm: VirtualMachine) -> Host | None:
    assignment = vm.status.assignment
    return objects.get(Host, assignment.host or "") if assignment else None


def _lack(guest: Guest, host: HostView, occupancy: Occupancy) -> Obstacle | None:
    said = {"host": host.name, "name": guest.name}
    if memory_room(guest, host, occupancy) is not None:
        free, needed = occupancy.free_memory_bytes(host), guest.memory_bytes
        return Obstacle("NotEnoughMemory", {**_needs(needed, free), **said})
    if cpu_room(guest, host, occupancy) is not None:
        if guest.reservation_millis is not None and not guest.own_cpus:
            reserved, left = guest.reservation_millis, max(occupancy.free_cpu_millis(host), 0)
            return Obstacle("NotEnoughCPU", {"reserved": format_cpu(reserved), "free": _cpus(left), **said})
        if not guest.own_cpus:
            return Obstacle("NotEnoughCPU", {"cores": counted(guest.vcpus, "core"), **said})
        free_cpus = max(min(occupancy.free_own_cpus(host), occupancy.free_cpu_millis(host) // 1000), 0)
        return Obstacle(
            "NotEnoughCPU", {"wanted": counted(guest.own_cpus, "CPU"), "free": str(free_cpus), **said}
        )
    if huge_page_room(guest, host, occupancy) is not None:
        page, needed = next(
            (page, size)
            for page, size in guest.huge_bytes.items()
            if size > occupancy.free_huge_bytes(host, page)
        )
        free = occupancy.free_huge_bytes(host, page)
        return Obstacle("NotEnoughMemory", {"page": page, **_needs(needed, free), **said})
    if node_room(guest, host, occupancy) is not None:
        return Obstacle("NotEnoughMemory", {"wanted": human_size(guest.bound_bytes), **said})
    lacks = devices(guest, host, occupancy)
    if lacks is not None:
        return Obstacle("DeviceUnavailable", {"device": lacks.what, "why": lacks.why, **said})
    return None


def _cpus(millis: int) -> str:
    return format_cpu(millis) if millis else "none"


def _needs(needed_bytes: int, free_bytes: int) -> dict[str, str]:
    needs, free = human_sizes(needed_bytes, free_bytes)
    return {"needs": needs, "free": free}
