"""Which huge pages a host sets aside for its guests, and which it gives back. Pure; asked by `host.pages`.

Raised only as far as the host keeps its own reserve and what its guests may use. Lowered only by pages that
nobody uses; the others follow when they come free.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from quantix_api import VirtualMachine
from quantix_api.compute import granted_compute, granted_devices, memory_request_bytes
from quantix_api.host_spec import Reserved
from quantix_api.quantities import size_bytes
from quantix_hostd.facts.pages import PagePool

_PAGES_CHANGE = "spec.memory.hugepages"
# Less than this part of the memory is not worth a change on the way to what spec asks for: what is free moves
_WORTH = 64


@dataclass(frozen=True)
class MemoryRoom:
    """`total_bytes`: all memory, huge pages included. `available_bytes`: ordinary memory that programs can
    have now. `guests_bytes`: ordinary memory that the guests of the host may use.
    """

    total_bytes: int
    available_bytes: int
    guests_bytes: int = 0

    def growth_bytes(self, reserve_bytes: int, pages_bytes: int) -> int:
        """How much more may become huge pages, where `pages_bytes` are such already."""
        unpromised = self.total_bytes - self.guests_bytes - pages_bytes
        return max(min(unpromised, self.available_bytes) - reserve_bytes, 0)


@dataclass(frozen=True)
class PagesPlan:
    """`counts`: how many pages there should be, for the sizes where that is to change. `before`: how many
    there were before hostd changed any, for the sizes that it did; to be kept before it acts.
    """

    counts: Mapping[str, int]
    before: Mapping[str, int]


def wanted_pages(reserved: Reserved) -> Mapping[str, int]:
    """By size; 0: nothing is asked for."""
    return {"2Mi": reserved.hugepages_2mi, "1Gi": reserved.hugepages_1gi}


def plan_pages(
    reserved: Reserved,
    pools: Mapping[str, PagePool],
    before: Mapping[str, int],
    room: MemoryRoom | None,
) -> PagesPlan:
    """Where spec says 0, there shall be as many as before hostd set any aside: `before`, for such sizes.

    `pools`: the sizes that the kernel has. `room` None: it is not known, so none is set aside.
    """
    counts, kept = {}, dict(before)
    for size, asked in wanted_pages(reserved).items():
        pool = pools.get(size)
        if pool is None:
            continue
        wanted = asked or before.get(size, pool.total)
        if not asked and pool.total == wanted:
            # what others do from here on is theirs
            kept.pop(size, None)
            continue
        count = _reachable(wanted, size, pools, room, reserved)
        if count != pool.total:
            kept.setdefault(size, pool.total)
            counts[size] = count
            room, pools = _afterwards(room, pools, size, count)
    return PagesPlan(counts, kept)


def guests_memory_bytes(vms: Iterable[VirtualMachine]) -> int:
    """Ordinary memory that these VMs of the host may use, running or about to: with what QEMU needs."""
    return sum(_ordinary_bytes(vm) for vm in vms)


def _reachable(
    wanted: int,
    size: str,
    pools: Mapping[str, PagePool],
    room: MemoryRoom | None,
    reserved: Reserved,
) -> int:
    """How many pages of `size` there can be on the way to `wanted`."""
    pool, page_bytes = pools[size], size_bytes(size)
    if wanted <= pool.total:
        return max(wanted, pool.used)
    if room is None:
        return pool.total
    pages_bytes = sum(size_bytes(each) * found.total for each, found in pools.items())
    growth = room.growth_bytes(reserved.memory_bytes(room.total_bytes), pages_bytes)
    count = min(wanted, pool.total + growth // page_bytes)
    worth = count == wanted or (count - pool.total) * page_bytes >= room.total_bytes // _WORTH
    return count if worth else pool.total


def _afterwards(
    room: MemoryRoom | None, pools: Mapping[str, PagePool], size: str, count: int
) -> tuple[MemoryRoom | None, Mapping[str, PagePool]]:
    """Room and pages once there are `count` pages of `size`."""
    pool = pools[size]
    change, found = count - pool.total, {**pools, size: PagePool(count, pool.free + count - pool.total)}
    if room is not None:
        room = replace(room, available_bytes=room.available_bytes - change * size_bytes(size))
    return room, found


def _ordinary_bytes(vm: VirtualMachine) -> int:
    compute, resolved = granted_compute(vm), vm.status.resolved
    size = (resolved.memory if resolved else None) or compute.size
    if size is None:
        return 0
    changes = {change.path: change.running for change in vm.status.runtime.pending_changes}
    on_pages = changes.get(_PAGES_CHANGE, compute.hugepages)
    memory = size_bytes(size)
    return memory_request_bytes(memory, len(granted_devices(vm))) - (memory if on_pages else 0)
