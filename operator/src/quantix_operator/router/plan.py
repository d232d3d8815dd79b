"""Which legs a Router has, and what it holds for them: pure.

Called by the router's controller, which records `held` in the ledger, and by the cluster's, which only wants
to know where guests are. A part that cannot be is left out and named as a problem, the rest goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from quantix_api import Host, Network, Router, identity
from quantix_api.facts import Fact, fact
from quantix_operator.ipam.assign import Problem
from quantix_operator.ipam.ledger import Allocation, Ledger
from quantix_operator.northbound.match import Family
from quantix_operator.router.addresses import (
    OUTSIDE,
    InsideWish,
    assign_inside,
    assign_outside,
    inside_claim,
    router_claimant,
)
from quantix_operator.router.gateways import asked_families, share_gateways
from quantix_operator.router.observed import Joined, Observed
from quantix_operator.router.rows import (
    InsideLeg,
    OutsideLeg,
    inside_key,
    order_gateways,
    outside_key,
    port_mac,
    router_owner,
)
from quantix_operator.topology.overlap import is_younger, overlap_in_router, overlap_on_wire
from quantix_operator.topology.reach import has_wire
from quantix_operator.topology.view import (
    NetworkView,
    choose_mtu,
    make_view,
    mtus_for,
)

GATEWAY_LABEL = "quantix.io/gateway"
"""Hosts with this label (any value) carry the ways out; without any, all do that have the wire."""

Held = Mapping[str, Allocation]
"""What a Router has, by what it is called in the ledger."""


@dataclass(frozen=True)
class Legs:
    """What can be programmed, the first thing that cannot, and what the Router holds."""

    inside: tuple[InsideLeg, ...]
    outside: OutsideLeg | None
    problem: Fact | None
    held: Held


def plan_legs(observed: Observed, ledger: Ledger) -> Legs:
    """The legs of a Router; the ledger is only asked."""
    inside: list[InsideLeg] = []
    problems: list[Fact] = []
    for joined in observed.joined:
        leg, found = _inside(observed, joined, inside, ledger)
        if leg is not None:
            inside.append(leg)
        problems += [found] if found is not None else []
    outside, refused = _outside(observed, ledger)
    held = _held(observed, inside, outside, ledger)
    problems += [refused] if refused is not None else []
    if outside is not None:
        inside, outside, overlaps = _apart(inside, outside)
        problems = [*overlaps, *problems]
    return Legs(tuple(inside), outside, next(iter(problems), None), held)


def _held(
    observed: Observed, inside: Iterable[InsideLeg], outside: OutsideLeg | None, ledger: Ledger
) -> dict[str, Allocation]:
    held = {inside_claim(leg.view.network.metadata.name): _allocation(leg) for leg in inside}
    if outside is not None:
        mac = port_mac(router_owner(observed.cluster_uid, observed.router), outside_key(outside.view.uid))
        held[OUTSIDE] = Allocation(outside.view.uid, mac, _bare(outside.addresses), guest=False)
    elif observed.router.spec.external is not None:
        # Its network is away for now: the address stays the Router's
        before = ledger.allocation(observed.router.metadata.uid, OUTSIDE)
        held |= {OUTSIDE: before} if before is not None else {}
    return held


def _allocation(leg: InsideLeg) -> Allocation:
    return Allocation(leg.view.uid, leg.mac, _bare(leg.addresses), guest=False)


def _bare(addresses: Iterable[str]) -> tuple[str, ...]:
    return tuple(address.split("/")[0] for address in addresses)


def _apart(
    inside: list[InsideLeg], outside: OutsideLeg
) -> tuple[list[InsideLeg], OutsideLeg | None, list[Fact]]:
    """The legs without the way out, where an elder network overlaps that, else without those whose network
    does: a router has one place to send a packet to, and the younger network is left out.
    """
    overlaps = [(leg, overlap_in_router(leg.view, outside.view)) for leg in inside]
    elder = [leg for leg, overlap in overlaps if overlap is not None and is_younger(outside.view, leg.view)]
    if elder:
        found = (overlap_in_router(outside.view, leg.view) for leg in elder)
        return inside, None, [problem for problem in found if problem is not None]
    kept = [leg for leg, overlap in overlaps if overlap is None]
    return kept, outside, [overlap for _, overlap in overlaps if overlap is not None]


def _inside(
    observed: Observed, joined: Joined, before: Iterable[InsideLeg], ledger: Ledger
) -> tuple[InsideLeg | None, Fact | None]:
    network = joined.network
    if network is None:
        return None, fact("Ready", "False", "NetworkNotFound", network=joined.name)
    view = make_view(observed.cluster_uid, network)
    overlap = next(filter(None, (overlap_in_router(view, leg.view) for leg in before)), None)
    if overlap is not None:
        return None, overlap
    router, asked = observed.router, asked_families(joined.address, view)
    gateways = share_gateways(observed, joined, view)
    second = next((family for family in sorted(asked) if gateways[family] is not router), None)
    if second is not None:
        return None, _second_gateway(view, joined, second, gateways[second])
    own = frozenset(family for family, holder in gateways.items() if holder is router)
    wish = InsideWish(joined.address, own, joined.path)
    claimant = router_claimant(router, inside_claim(joined.name))
    addresses, refused = assign_inside(wish, claimant, view, ledger)
    problem = _told(refused) if refused is not None else None
    if not addresses and view.subnets:
        return None, problem
    owner = router_owner(observed.cluster_uid, router)
    mac = view.gateway_mac if asked else port_mac(owner, inside_key(view.uid))
    mtu, _ = choose_mtu(network, mtus_for(network, observed.hosts))
    resolvers = tuple(network.spec.dns.servers) or observed.resolvers
    return InsideLeg(view, mac, _with_length(addresses, view), mtu, resolvers), problem


def _second_gateway(view: NetworkView, joined: Joined, family: Family, elder: Router) -> Fact:
    gateway = next(str(subnet.pool.gateway) for subnet in view.subnets if subnet.family == family)
    about = {"gateway": gateway, "network": joined.name, "router": elder.metadata.name}
    return fact("Ready", "False", "AddressInUse", **about, path=joined.path)


def _outside(observed: Observed, ledger: Ledger) -> tuple[OutsideLeg | None, Fact | None]:
    external, network = observed.router.spec.external, observed.outside
    if external is None:
        return None, None
    if network is None:
        return None, fact("Ready", "False", "NetworkNotFound", network=external.network)
    view = make_view(observed.cluster_uid, network)
    addresses, refused = assign_outside(observed.router, view, ledger)
    able = gateway_hosts(network, observed.hosts)
    leg = OutsideLeg(
        view=view,
        mtu=choose_mtu(network, mtus_for(network, observed.hosts))[0],
        addresses=_with_length(addresses, view),
        snat=external.snat == "Enabled",
        gateways=order_gateways(observed.router.metadata.uid, [host.metadata.uid for host in able]),
        next_hop_mac=identity.way_out_mac(observed.cluster_uid) if view.is_way_out else None,
    )
    if refused is not None:
        return leg, _told(refused)
    if not leg.gateways:
        physical = network.spec.physical
        name = physical.name if physical is not None else view.key
        return leg, fact("Ready", "False", "NoGatewayHost", physical=name)
    return leg, overlap_on_wire(view, ledger.others(view))


def _with_length(addresses: Iterable[str], view: NetworkView) -> tuple[str, ...]:
    lengths = {subnet.family: subnet.pool.prefix.prefixlen for subnet in view.subnets}
    return tuple(f"{item}/{lengths[4 if ip_address(item).version == 4 else 6]}" for item in addresses)


def _told(refused: Problem) -> Fact:
    return fact("Ready", "False", refused.reason, **dict(refused.fields))


def gateway_hosts(network: Network, hosts: Iterable[Host]) -> list[Host]:
    """The hosts that can carry a way out through this Network, in order of their names."""
    physical = network.spec.physical
    able = [
        host
        for host in hosts
        if not host.deleting
        and host.status.host_uid is not None
        and (physical is None or has_wire(host, physical))
    ]
    labelled = [host for host in able if GATEWAY_LABEL in host.metadata.labels]
    return sorted(labelled or able, key=lambda host: host.metadata.name)
