"""Which NUMA nodes the guests of a host take that have CPUs to themselves, as its hostd chooses them. Pure.

Used by `Occupancy`. Only a guest that mirrors the nodes (`cpu.numa: Strict`) is bound to their memory; hostd
has the last word, since it alone knows which CPUs are free.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from quantix_operator.scheduling.model import Guest, Node


def take(nodes: Sequence[Node], guest: Guest) -> tuple[Node, ...] | None:
    """The nodes once the guest has its part of them; None where it finds no place.

    One node where one has room, of these the fullest; else as few as can be, with an equal part of its
    memory from each.
    """
    for chosen in _choices(nodes, guest.own_cpus):
        part = guest.bound_bytes // len(chosen)
        if all(part <= nodes[number].room_bytes(guest.page_size) for number in chosen):
            return tuple(
                node.without(chosen.get(number, 0), guest.page_size, part if number in chosen else 0)
                for number, node in enumerate(nodes)
            )
    return None


def _choices(nodes: Sequence[Node], count: int) -> Iterator[dict[int, int]]:
    """How many CPUs of which nodes, by their numbers; the best first."""
    for number in sorted(range(len(nodes)), key=lambda number: (nodes[number].cpus, number)):
        if nodes[number].cpus >= count:
            yield {number: count}
    spread = sorted(range(len(nodes)), key=lambda number: (-nodes[number].cpus, number))
    for most in range(2, min(len(spread), count) + 1):
        parts, left = {}, count - most
        for number in spread[:most]:
            parts[number] = min(nodes[number].cpus, left + 1)
            left -= parts[number] - 1
        if left == 0 and all(cpus > 0 for cpus in parts.values()):
            yield parts
