"""Who has which CPUs of this host to itself, and which a guest that is to start gets. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from quantix_api.errors import WaitingError
from quantix_api.messages import as_error
from quantix_api.quantities import counted, human_size, size_bytes
from quantix_hostd.domainxml.spec import UNBOUND, BoundMemory, CpuPlaces, NumaNode

NodePages = Mapping[int, Mapping[str, int]]
"""How many huge pages of each size the NUMA nodes have, by their numbers."""


@dataclass(frozen=True)
class CpuEntries:
    """Who has which CPUs to itself, and which memory beside them, at one moment. The lowest `shared` CPUs of
    `nodes` are nobody's own.
    """

    nodes: tuple[NumaNode, ...]
    own: Mapping[str, tuple[int, ...]]
    shared: int = 1
    bound: Mapping[str, BoundMemory] = field(default_factory=dict)
    pages: NodePages = field(default_factory=dict)

    def choose(self, uid: str, count: int, host: str, bound: BoundMemory = UNBOUND) -> tuple[int, ...]:
        """`count` CPUs for a guest alone: those that it has, else free ones with `bound` beside them.

        Raises WaitingError (NotEnoughCPU, NotEnoughMemory) where there are too few, or too little is there.
        """
        own = self.own.get(uid, ())
        if len(own) == count:
            return own
        others = {cpu for other, cpus in self.own.items() if other != uid for cpu in cpus}
        free = set(self._all) - others - set(self._all[: self.shared])
        picked = pick_cpus(count, self.nodes, free, lambda cpus: self._has_memory(uid, cpus, bound))
        if picked is None and len(free) >= count:
            wanted = human_size(bound.size_bytes)
            raise as_error(WaitingError, "NotEnoughMemory", host=host, wanted=wanted)
        if picked is None:
            wanted = counted(count, "CPU")
            raise as_error(WaitingError, "NotEnoughCPU", host=host, wanted=wanted, free=len(free))
        return picked

    def places(self, own: tuple[int, ...] = ()) -> CpuPlaces:
        """The places of a guest that has these CPUs to itself, or of one that shares."""
        taken = {cpu for cpus in self.own.values() for cpu in cpus} | set(own)
        shared = tuple(cpu for cpu in self._all if cpu not in taken)
        # a host whose last CPU left it runs its guests all the same
        return CpuPlaces(own, shared or self._all, whole=not taken, nodes=_nodes_of(own, self.nodes))

    def _has_memory(self, uid: str, cpus: tuple[int, ...], bound: BoundMemory) -> bool:
        """Whether the nodes of these CPUs have what the guest wants there beside what others have there."""
        nodes = _nodes_of(cpus, self.nodes)
        return not bound.size_bytes or all(
            bound.size_bytes // len(nodes) <= self._room_bytes(uid, node, bound.page_bytes) for node in nodes
        )

    def _room_bytes(self, uid: str, node: NumaNode, page_bytes: int) -> int:
        counts = self.pages.get(node.id, {}).items()
        huge = {size_bytes(size): size_bytes(size) * count for size, count in counts}
        room = huge.get(page_bytes, 0) if page_bytes else node.memory_bytes - sum(huge.values())
        for other, bound in self.bound.items():
            nodes = _nodes_of(self.own[other], self.nodes)
            if other != uid and bound.page_bytes == page_bytes and node in nodes:
                room -= bound.size_bytes // len(nodes)
        return room

    @property
    def _all(self) -> tuple[int, ...]:
        return tuple(sorted(cpu for node in self.nodes for cpu in node.cpus))


def pick_cpus(
    count: int,
    nodes: Sequence[NumaNode],
    free: set[int],
    suit: Callable[[tuple[int, ...]], bool] = lambda cpus: True,
) -> tuple[int, ...] | None:
    """CPUs of one NUMA node, of the fullest that has room; else of as few nodes as can be; None: too few, or
    none that `suit`. The scheduler counts in the same way (its module `numa`).

    Pure: the same answer for the same question.
    """
    return next((cpus for cpus in _choices(count, nodes, free) if suit(cpus)), None)


def _choices(count: int, nodes: Sequence[NumaNode], free: set[int]) -> Iterator[tuple[int, ...]]:
    """The best first."""
    by_node = [(node, [cpu for cpu in sorted(node.cpus) if cpu in free]) for node in nodes]
    for _, cpus in sorted(by_node, key=lambda item: (len(item[1]), item[0].id)):
        if len(cpus) >= count:
            yield tuple(cpus[:count])
    spread = [cpus for _, cpus in sorted(by_node, key=lambda item: (-len(item[1]), item[0].id))]
    for number in range(2, len(spread) + 1):
        parts = _parts(count, spread[:number])
        if parts is not None:
            yield parts


def _parts(count: int, spread: Sequence[Sequence[int]]) -> tuple[int, ...] | None:
    """`count` CPUs, one at least of each list, since memory comes from the nodes of its CPUs, and as many as
    can be of the first; None: there are not so many.
    """
    left, found = count - len(spread), list[int]()
    for cpus in spread:
        more = min(len(cpus) - 1, left)
        if more < 0:
            return None
        found += cpus[: more + 1]
        left -= more
    return tuple(sorted(found)) if left == 0 else None


def _nodes_of(own: tuple[int, ...], nodes: Sequence[NumaNode]) -> tuple[NumaNode, ...]:
    return tuple(node for node in nodes if set(node.cpus) & set(own))
