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
from quantix_operator.network.controller import NetworkContext, underlay_mtus
from quantix_operator.network.view import (
    LOCAL_PHYSICAL_NETWORK,
    NetworkView,
    choose_mtu,
    make_view,
)
from quantix_operator.nics.ledger import Assignment, Claimant
from quantix_operator.northbound.addresses import allocate
from quantix_operator.northbound.rows import Owner
from quantix_operator.objects import age_order
from quantix_operator.router.rows import InsideLeg, OutsideLeg, order_gateways

GATEWAY_LABEL = "quantix.io/gateway"
"""Hosts with this label (any value) carry the ways out; without any, all do that have the wire."""
OUTSIDE_KEY = "outside"


@dataclass(frozen=True)
class Legs:
    """What can be programmed, and the first thing that cannot."""

    inside: tuple[InsideLeg, ...]
    outside: OutsideLeg | None
    problem: Fact | None


def inside_key(network_uid: str) -> str:
    """What the leg in a network is called in the ledger and in rows."""
    return f"inside/{network_uid}"


def router_owner(cluster_uid: str, router: Router) -> Owner:
    """The owner of the rows of a Router."""
    return Owner(cluster_uid, router.metadata.uid, "Router", router.key)


def router_claimant(router: Router, key: str) -> Claimant:
    """A Router as somebody who asks for an address."""
    return Claimant(*age_order(router), key, f"router {router.key}")


def observe_legs(context: NetworkContext, router: Router) -> Legs:
    """The legs of a Router."""
    inside, problems = _inside(context, router)
    outside: OutsideLeg | None = None
    if router.spec.external is not None:
        outcome = _outside(context, router)
        if isinstance(outcome, Fact):
            problems.append(outcome)
        else:
            outside = outcome
            if not outside.gateways:
                physical = outside.view.network.spec.physical
                name = physical.name if physical is not None else outside.view.key
                problems.append(fact("Ready", "False", "NoGatewayHost", physical=name))
    return Legs(tuple(inside), outside, next(iter(problems), None))


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
        problem = _overlap(view, legs) or _second_router(context, router, view, item.address)
        if problem is not None:
            problems.append(problem)
            continue
        mtu, _ = choose_mtu(network, underlay_mtus(hosts))
        addresses, own = _inside_addresses(view, item.address)
        mac = view.gateway_mac
        key = inside_key(view.uid)
        if own is not None:
            mac = identity.mac_address(
                identity.MAC_ROUTER_PORT, context.cluster_uid, router.metadata.uid, key
            )
            context.ledger.hold(router_claimant(router, key), Assignment(view.uid, "", (own,)))
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


def _overlap(view: NetworkView, legs: Iterable[InsideLeg]) -> Fact | None:
    for leg in legs:
        for other in leg.view.subnets:
            for subnet in view.subnets:
                same = subnet.family == other.family
                if same and subnet.pool.prefix.overlaps(other.pool.prefix):
                    return fact(
                        "Ready",
                        "False",
                        "SubnetOverlap",
                        cidr=subnet.cidr,
                        other_cidr=other.cidr,
                        other=leg.view.key,
                    )
    return None


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


def _outside(context: NetworkContext, router: Router) -> OutsideLeg | Fact:
    external = router.spec.external
    assert external is not None
    network = context.objects.referred(Network, external.network, router.metadata.namespace or "")
    if network is None:
        return fact("Ready", "False", "NetworkNotFound", network=external.network)
    view = make_view(context.cluster_uid, network)
    return OutsideLeg(
        view=view,
        addresses=_outside_addresses(context, router, view),
        snat=external.snat == "Enabled",
        gateways=order_gateways(
            router.metadata.uid,
            [host.metadata.uid for host in gateway_hosts(network, context.objects.list(Host))],
        ),
    )


def _outside_addresses(context: NetworkContext, router: Router, view: NetworkView) -> tuple[str, ...]:
    """The router's addresses outside with prefix length: asked for, kept, or chosen now and recorded."""
    claimant = router_claimant(router, OUTSIDE_KEY)
    external = router.spec.external
    asked = external.address if external is not None else None
    recorded = context.ledger.assignment(claimant.uid, claimant.key)
    kept = recorded.addresses if recorded is not None and recorded.network_uid == view.uid else ()
    chosen: list[str] = []
    taken = context.ledger.addresses(view.uid)
    for subnet in view.subnets:
        address = next(
            (
                item
                for item in (asked, *kept)
                if item is not None
                and ip_address(item) in subnet.pool.prefix
                and (item not in taken or taken[item].uid == claimant.uid)
            ),
            None,
        )
        if address is None:
            found = allocate(subnet.pool, taken, claimant.uid, claimant.key)
            address = str(found) if found is not None else None
        if address is not None:
            chosen.append(address)
    context.ledger.hold(claimant, Assignment(view.uid, "", tuple(chosen)))
    lengths = {subnet.family: subnet.pool.prefix.prefixlen for subnet in view.subnets}
    return tuple(f"{item}/{lengths[4 if ip_address(item).version == 4 else 6]}" for item in chosen)


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
