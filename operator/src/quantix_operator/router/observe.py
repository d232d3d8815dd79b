"""What a Router depends on, read from the cache: its networks, the hosts that can lead out, its address.

Called by the router's controller. It reads, and records the address that it chooses in the ledger; nothing
else. A part that cannot be is left out and named as a problem, the rest goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from quantix_api import Host, Network, Router, identity
from quantix_api.facts import Fact, fact
from quantix_api.seniority import age_order
from quantix_operator.network.context import NetworkContext
from quantix_operator.network.overlap import is_younger, overlap_in_router, overlap_on_wire
from quantix_operator.network.view import (
    LOCAL_PHYSICAL_NETWORK,
    NetworkView,
    choose_mtu,
    make_view,
    underlay_mtus,
)
from quantix_operator.router.claims import OUTSIDE, assign_outside, hold_inside, router_owner
from quantix_operator.router.rows import InsideLeg, OutsideLeg, inside_key, order_gateways, port_mac

GATEWAY_LABEL = "quantix.io/gateway"
"""Hosts with this label (any value) carry the ways out; without any, all do that have the wire."""


@dataclass(frozen=True)
class Legs:
    """What can be programmed, and the first thing that cannot."""

    inside: tuple[InsideLeg, ...]
    outside: OutsideLeg | None
    problem: Fact | None


def observe_legs(context: NetworkContext, router: Router) -> Legs:
    """The legs of a Router."""
    inside, problems = _inside(context, router)
    outside, problem = _outside(context, router)
    _release_others(context, router, inside)
    if problem is not None:
        problems.append(problem)
    if outside is not None:
        inside, outside, overlaps = _apart(inside, outside)
        problems = [*overlaps, *problems]
    return Legs(tuple(inside), outside, next(iter(problems), None))


def _release_others(context: NetworkContext, router: Router, inside: Iterable[InsideLeg]) -> None:
    """Give back what spec no longer asks for, so that others can have it."""
    # A leg with the gateway's own MAC has the gateway's address, which nobody else is given anyway
    kept = {inside_key(leg.view.uid) for leg in inside if leg.mac != leg.view.gateway_mac}
    if router.spec.external is not None:
        kept.add(OUTSIDE)
    for key in context.ledger.keys(router.metadata.uid):
        if key not in kept:
            context.ledger.release(router.metadata.uid, key)


def _apart(
    inside: list[InsideLeg], outside: OutsideLeg
) -> tuple[list[InsideLeg], OutsideLeg | None, list[Fact]]:
    """The legs without those whose network overlaps that of the way out, or without the way out: a router
    has one place to send a packet to, and the younger network is left out.
    """
    kept: list[InsideLeg] = []
    problems: list[Fact] = []
    way_out: OutsideLeg | None = outside
    for leg in inside:
        views = (leg.view, outside.view)
        younger, elder = views if is_younger(*views) else views[::-1]
        problem = overlap_in_router(younger, elder)
        if problem is not None:
            problems.append(problem)
        if problem is None or younger is not leg.view:
            kept.append(leg)
        if problem is not None and younger is not leg.view:
            way_out = None
    return kept, way_out, problems


def _inside(context: NetworkContext, router: Router) -> tuple[list[InsideLeg], list[Fact]]:
    legs: list[InsideLeg] = []
    problems: list[Fact] = []
    hosts = context.objects.list(Host)
    for item in router.spec.networks:
        network = context.objects.get(Network, f"{router.metadata.namespace}/{item.name}")
        if network is None or network.deleting:
            problems.append(fact("Ready", "False", "NetworkNotFound", network=item.name))
            continue
        view = make_view(context.cluster_uid, network)
        overlaps = (overlap_in_router(view, leg.view) for leg in legs)
        problem = next(filter(None, overlaps), None) or _second_router(context, router, view, item.address)
        if problem is not None:
            problems.append(problem)
            continue
        mtu, _ = choose_mtu(network, underlay_mtus(hosts))
        addresses, own = _inside_addresses(view, item.address)
        mac = view.gateway_mac
        if own is not None:
            mac = port_mac(router_owner(context.cluster_uid, router), inside_key(view.uid))
            hold_inside(router, view, own, context.ledger)
        resolvers = tuple(network.spec.dns.servers) or context.resolvers
        legs.append(InsideLeg(view, mac, addresses, mtu, resolvers))
    return legs, problems


def _inside_addresses(view: NetworkView, chosen: str | None) -> tuple[tuple[str, ...], str | None]:
    """The router's addresses with prefix length, and the one that is not the network's gateway."""
    addresses = []
    own: str | None = None
    for subnet in view.subnets:
        address = subnet.pool.gateway
        if chosen is not None and ip_address(chosen).version == subnet.family:
            parsed = ip_address(chosen)
            own = chosen if parsed != address else None
            address = parsed
        addresses.append(f"{address}/{subnet.pool.prefix.prefixlen}")
    return tuple(addresses), own


def _second_router(
    context: NetworkContext, router: Router, view: NetworkView, address: str | None
) -> Fact | None:
    """Only one router can be a network's gateway: the elder."""
    if address is not None or view.v4 is None:
        return None
    for other in context.objects.list(Router, router.metadata.namespace):
        if (
            other.metadata.uid == router.metadata.uid
            or other.deleting
            or age_order(other) > age_order(router)
        ):
            continue
        if any(
            item.name == view.network.metadata.name and item.address is None for item in other.spec.networks
        ):
            return fact(
                "Ready",
                "False",
                "SubnetOverlap",
                cidr=str(view.v4.pool.gateway),
                other_cidr=str(view.v4.pool.gateway),
                other=f"router {other.metadata.name}",
            )
    return None


def _outside(context: NetworkContext, router: Router) -> tuple[OutsideLeg | None, Fact | None]:
    external = router.spec.external
    if external is None:
        return None, None
    network = context.objects.referred(Network, external.network, router.metadata.namespace or "")
    if network is None:
        return None, fact("Ready", "False", "NetworkNotFound", network=external.network)
    view = make_view(context.cluster_uid, network)
    addresses, refused = assign_outside(router, view, context.ledger)
    able = gateway_hosts(network, context.objects.list(Host))
    lengths = {subnet.family: subnet.pool.prefix.prefixlen for subnet in view.subnets}
    leg = OutsideLeg(
        view=view,
        addresses=tuple(f"{item}/{lengths[4 if ip_address(item).version == 4 else 6]}" for item in addresses),
        snat=external.snat == "Enabled",
        gateways=order_gateways(router.metadata.uid, [host.metadata.uid for host in able]),
        next_hop_mac=identity.way_out_mac(context.cluster_uid) if view.is_way_out else None,
    )
    if refused is not None:
        return leg, fact("Ready", "False", refused.reason, **dict(refused.fields))
    if not leg.gateways:
        physical = network.spec.physical
        name = physical.name if physical is not None else view.key
        return leg, fact("Ready", "False", "NoGatewayHost", physical=name)
    return leg, overlap_on_wire(view, context.ledger.others(view))


def gateway_hosts(network: Network, hosts: Iterable[Host]) -> list[Host]:
    """The hosts that can carry a way out through this Network, in order of their names."""
    physical = network.spec.physical
    able = [
        host
        for host in hosts
        if not host.deleting
        and host.status.host_uid is not None
        and (
            physical is None
            or physical.name == LOCAL_PHYSICAL_NETWORK
            or any(item.name == physical.name for item in host.spec.physical_networks)
        )
    ]
    labelled = [host for host in able if GATEWAY_LABEL in host.metadata.labels]
    return sorted(labelled or able, key=lambda host: host.metadata.name)
