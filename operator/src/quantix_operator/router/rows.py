"""The northbound rows of one Router: its legs inside, its leg outside, NAT and routes.

Pure; called by the controller. The hosts' own legs, which hang on the Router `default`, are `hostleg`'s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from uuid import UUID

from quantix_api import Router, identity
from quantix_api.network import Route
from quantix_operator.northbound.capabilities import Capabilities
from quantix_operator.northbound.match import Family, comes_as_it_is, parse_prefixes
from quantix_operator.northbound.rows import DesiredRow, Owner, SetRef
from quantix_operator.topology.view import DEFAULT_UNDERLAY_MTU, NetworkView

MAX_GATEWAYS = 5
"""The most hosts that carry a router's way out (BFD between each pair of them)."""
MAC_BINDING_AGE_S = 3600
CLOSED_PRIORITY = 1000
DEFAULT_ROUTES: dict[Family, str] = {4: "0.0.0.0/0", 6: "::/0"}


@dataclass(frozen=True)
class InsideLeg:
    """A network that the router is in. `addresses` with prefix length; `resolvers` are told by RA."""

    view: NetworkView
    mac: str
    addresses: tuple[str, ...]
    mtu: int
    resolvers: tuple[str, ...] = ()


@dataclass(frozen=True)
class OutsideLeg:
    """The way out, through which packets of `mtu` bytes fit. `gateways` are the UIDs of hosts, the preferred
    one first; `next_hop_mac` is that of the network's gateway where it is known.
    """

    view: NetworkView
    addresses: tuple[str, ...]
    snat: bool
    gateways: tuple[str, ...]
    next_hop_mac: str | None = None
    mtu: int = DEFAULT_UNDERLAY_MTU


@dataclass(frozen=True)
class RouterPlan:
    """All that the rows of a router depend on."""

    owner: Owner
    inside: tuple[InsideLeg, ...]
    outside: OutsideLeg | None
    routes: tuple[Route, ...]
    capabilities: Capabilities


def _mtu(plan: RouterPlan, leg: OutsideLeg) -> int:
    """What fits both ways, in bytes: whoever sends more is told so."""
    return min(leg.mtu, *(item.mtu for item in plan.inside))


def router_rows(plan: RouterPlan) -> list[DesiredRow]:
    """The rows of a router, parents first."""
    options = {}
    if plan.capabilities.mac_binding_ages:
        options["mac_binding_age_threshold"] = str(MAC_BINDING_AGE_S)
    rows = [plan.owner.row("Logical_Router", name=plan.owner.uid, options=options)]
    for leg in plan.inside:
        rows.extend(_inside(plan.owner, leg))
    if plan.outside is not None:
        rows.extend(_outside(plan, plan.outside))
    for route in plan.routes:
        rows.append(_route(plan.owner, route.destination, route.next_hop))
    return rows


def order_gateways(router_uid: str, host_uids: Sequence[str]) -> tuple[str, ...]:
    """The hosts that carry a router's way out: by a hash of both, so that routers spread over the hosts and
    the order changes only with the members.
    """

    def rank(host: str) -> bytes:
        return hashlib.sha256(f"{router_uid}/{host}".encode()).digest()

    return tuple(sorted(set(host_uids), key=rank)[:MAX_GATEWAYS])


def router_owner(cluster_uid: str, router: Router) -> Owner:
    """The owner of the rows of a Router."""
    return Owner(cluster_uid, router.metadata.uid, "Router", router.key)


def inside_key(network_uid: str) -> str:
    """What the leg in a network is called in rows."""
    return f"inside/{network_uid}"


def outside_key(network_uid: str) -> str:
    """What the leg outside is called in rows."""
    return f"outside/{network_uid}"


def port_mac(router: Owner, key: str) -> str:
    """The MAC of a router's own port, this leg's."""
    return identity.mac_address(identity.MAC_ROUTER_PORT, router.cluster, router.uid, key)


def router_ports(router: Owner) -> SetRef:
    """The ports of a router."""
    return SetRef(*router.ref("Logical_Router"), "ports")


def port_pair(
    router: SetRef, port: DesiredRow, switch: SetRef, peer_key: str, owner: Owner, **options: str
) -> Iterator[DesiredRow]:
    """A router's port `port` and its counterpart on a switch; `options` are the counterpart's own."""
    yield DesiredRow(port.ref, port.columns, port.parents | {router})
    yield owner.row(
        "Logical_Switch_Port",
        peer_key,
        parents=[switch],
        name=str(owner.ref("Logical_Switch_Port", peer_key).uuid),
        type="router",
        addresses=frozenset({"router"}),
        options={"router-port": str(port.columns["name"]), **options},
    )


def _inside(owner: Owner, leg: InsideLeg) -> Iterator[DesiredRow]:
    key = inside_key(leg.view.uid)
    port = owner.row(
        "Logical_Router_Port",
        key,
        name=str(owner.ref("Logical_Router_Port", key).uuid),
        mac=leg.mac,
        networks=frozenset(leg.addresses),
        ipv6_ra_configs=_router_advertisement(leg),
    )
    yield from port_pair(router_ports(owner), port, leg.view.ports, key, owner)


def _router_advertisement(leg: InsideLeg) -> dict[str, str]:
    if leg.view.v6 is None or not _has_family(leg.addresses, 6):
        return {}
    config = {
        "address_mode": "slaac" if leg.view.v6.slaac else "dhcpv6_stateful",
        "send_periodic": "true",
        "mtu": str(leg.mtu),
    }
    servers = [server for server in leg.resolvers if ip_address(server).version == 6]
    if servers:
        config["rdnss"] = servers[0]
    return config


def _outside(plan: RouterPlan, leg: OutsideLeg) -> Iterator[DesiredRow]:
    owner = plan.owner
    group = owner.row("HA_Chassis_Group", name=owner.uid)
    yield group
    members = SetRef(*group.ref, "ha_chassis")
    for place, host_uid in enumerate(leg.gateways):
        yield owner.row(
            "HA_Chassis",
            host_uid,
            parents=[members],
            chassis_name=host_uid,
            priority=10 * (MAX_GATEWAYS - place),
        )
    key = outside_key(leg.view.uid)
    name = str(owner.ref("Logical_Router_Port", key).uuid)
    port = owner.row(
        "Logical_Router_Port",
        key,
        name=name,
        mac=port_mac(owner, key),
        networks=frozenset(leg.addresses),
        ha_chassis_group=group.ref.uuid,
        options={"gateway_mtu": str(_mtu(plan, leg))} if plan.inside else {},
    )
    yield from port_pair(router_ports(owner), port, leg.view.ports, key, owner, **{"nat-addresses": "router"})
    for subnet in leg.view.subnets:
        if _has_family(leg.addresses, subnet.family):
            yield _route(owner, DEFAULT_ROUTES[subnet.family], str(subnet.pool.gateway), name)
            if leg.next_hop_mac is not None:
                yield _pinned(owner, name, str(subnet.pool.gateway), leg.next_hop_mac)
    if leg.snat:
        yield from _source_nat(plan, leg)
        yield from _closed(plan, port)


def _pinned(owner: Owner, port: str, next_hop: str, mac: str) -> DesiredRow:
    """The next hop's MAC by decree: whoever answers for its address on that wire is not believed.

    ovn-controller prefers such a row to what was ever learned (flows of priority 150 over 100 in its table
    of MAC bindings), so old rows of the southbound MAC_Binding need no cleaning up.
    """
    return owner.unmarked_row(
        "Static_MAC_Binding", logical_port=port, ip=next_hop, mac=mac, override_dynamic_mac=True
    )


def _source_nat(plan: RouterPlan, leg: OutsideLeg) -> Iterator[DesiredRow]:
    """IPv4 only: guests' IPv6 is routed as it is, or stays inside."""
    outside = (ip_interface(address) for address in leg.addresses)
    address = next((str(item.ip) for item in outside if item.version == 4), "")
    nat = SetRef(*plan.owner.ref("Logical_Router"), "nat")
    for inside in plan.inside:
        if inside.view.v4 is not None and address:
            yield plan.owner.row(
                "NAT",
                f"snat/{inside.view.uid}",
                parents=[nat],
                type="snat",
                external_ip=address,
                logical_ip=inside.view.v4.cidr,
            )


def _closed(plan: RouterPlan, outside: DesiredRow) -> Iterator[DesiredRow]:
    """Who sends from outside to an address inside is not answered: with a route there anybody on that wire
    can. Answers and floating IPs are translated before policies are asked (ovn-northd(8), 23.03: tables
    UNSNAT and DNAT, then IP Routing, then Policy). IPv4 only, as the source NAT.
    """
    prefixes = parse_prefixes((leg.view.v4.cidr for leg in plan.inside if leg.view.v4 is not None), 4)
    if prefixes:
        yield plan.owner.row(
            "Logical_Router_Policy",
            "closed/4",
            parents=[SetRef(*plan.owner.ref("Logical_Router"), "policies")],
            priority=CLOSED_PRIORITY,
            match=comes_as_it_is(UUID(str(outside.columns["name"])), prefixes, 4),
            action="drop",
        )


def _route(owner: Owner, destination: str, next_hop: str, port: str | None = None) -> DesiredRow:
    return owner.row(
        "Logical_Router_Static_Route",
        destination,
        parents=[SetRef(*owner.ref("Logical_Router"), "static_routes")],
        ip_prefix=destination,
        nexthop=next_hop,
        output_port=port,
    )


def _has_family(addresses: tuple[str, ...], family: Family) -> bool:
    return any(ip_interface(address).version == family for address in addresses)
