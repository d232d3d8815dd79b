"""Which subnets stand in each other's way: pure.

Called by the controllers of networks (one wire) and routers (what a router joins). Prefixes that share a
part are a fault of whoever came later: the younger Network has it, and what runs in the elder is not touched.
"""

from __future__ import annotations

from collections.abc import Iterable

from quantix_api.facts import Fact, fact
from quantix_api.seniority import age_order
from quantix_operator.tenancy import as_told
from quantix_operator.topology.view import NetworkView, SubnetView


def overlap_on_wire(view: NetworkView, others: Iterable[NetworkView]) -> Fact | None:
    """SubnetOverlap of a Network with an elder one on the same wire; None when nothing is in the way.

    What a user expects: two Networks with the same subnet are two doors to one site network, and fine; the
    ledger keeps their addresses apart. Prefixes that overlap without being equal cannot both be right about
    who is a neighbour, so hosts on that wire would not reach each other. The younger Network is then not
    programmed any further: what stands in it goes on, nothing new is plugged in, and it goes on by itself
    once the elder is gone or one of the two is corrected.
    """
    for other in sorted(others, key=lambda item: age_order(item.network)):
        if age_order(other.network) < age_order(view.network) and not other.network.deleting:
            for subnet, theirs in _shared(view, other):
                if subnet.pool.prefix != theirs.pool.prefix:
                    told = as_told(f"network {other.key}", f"network {view.key}")
                    return _overlap(subnet, theirs, told)
    return None


def overlap_in_router(view: NetworkView, other: NetworkView) -> Fact | None:
    """SubnetOverlap of two Networks that one router shall join, about `view`; None when there is none.

    Equal prefixes are no better here: a router has one place to send a packet to.
    """
    return next((_overlap(subnet, theirs, other.key) for subnet, theirs in _shared(view, other)), None)


def is_younger(view: NetworkView, other: NetworkView) -> bool:
    """Whether a Network came after another."""
    return age_order(view.network) > age_order(other.network)


def _shared(view: NetworkView, other: NetworkView) -> Iterable[tuple[SubnetView, SubnetView]]:
    return (
        (subnet, theirs)
        for theirs in other.subnets
        for subnet in view.subnets
        if subnet.family == theirs.family and subnet.pool.prefix.overlaps(theirs.pool.prefix)
    )


def _overlap(subnet: SubnetView, theirs: SubnetView, other: str) -> Fact:
    return fact("Ready", "False", "SubnetOverlap", cidr=subnet.cidr, other_cidr=theirs.cidr, other=other)
