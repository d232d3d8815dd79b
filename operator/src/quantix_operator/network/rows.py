"""The northbound rows of one Network: switch, wire, DHCP, names, and the guard of the names.

Pure; called by the controller. The ports of VMs and routers are rows of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from quantix_api.resources import NAMESPACE_SHARED
from quantix_operator.northbound.capabilities import Capabilities
from quantix_operator.northbound.groups import GUARD_PRIORITY, OUTBOUND, acl
from quantix_operator.northbound.match import FAMILIES, Family
from quantix_operator.northbound.rows import DesiredRow, SetRef
from quantix_operator.topology.view import NetworkView, SubnetView


@dataclass(frozen=True)
class NetworkPlan:
    """All that the rows of a network depend on.

    `routed`: a router of ours answers at the gateway. `records`: names and their addresses in the form of
    OVN's DNS.
    """

    view: NetworkView
    mtu: int
    resolvers: tuple[str, ...]
    records: Mapping[str, str]
    routed: bool
    capabilities: Capabilities


def network_rows(plan: NetworkPlan) -> list[DesiredRow]:
    """The rows of a network, parents first."""
    view = plan.view
    rows = [view.owner.row("Logical_Switch", name=view.uid, other_config=_multicast(plan))]
    rows.extend(_wire(plan))
    if view.dhcp_options(4) is not None and view.v4 is not None:
        rows.append(_dhcp4(plan, view.v4))
    if view.dhcp_options(6) is not None and view.v6 is not None:
        rows.append(_dhcp6(plan, view.v6))
    rows.extend(_names(plan))
    return rows


def _multicast(plan: NetworkPlan) -> dict[str, str]:
    if plan.view.network.spec.multicast == "Flood":
        return {}
    config = {
        "mcast_snoop": "true",
        "mcast_flood_unregistered": "false",
        "mcast_querier": "true",
        "mcast_eth_src": plan.view.gateway_mac,
    }
    if plan.view.v4 is not None:
        config["mcast_ip4_src"] = str(plan.view.v4.pool.gateway)
    return config


def _wire(plan: NetworkPlan) -> Iterator[DesiredRow]:
    view = plan.view
    physical = view.network.spec.physical
    if physical is None:
        return
    name = view.owner.ref("Logical_Switch_Port", "localnet")
    yield view.owner.row(
        "Logical_Switch_Port",
        "localnet",
        parents=[view.ports],
        name=str(name.uuid),
        type="localnet",
        addresses=frozenset({"unknown"}),
        options={"network_name": physical.name},
        tag_request=physical.vlan,
    )


def _dhcp4(plan: NetworkPlan, subnet: SubnetView) -> DesiredRow:
    view = plan.view
    gateway = str(subnet.pool.gateway)
    options = {
        "server_id": gateway,
        "server_mac": view.gateway_mac,
        "lease_time": str(subnet.lease_seconds),
        "mtu": str(plan.mtu),
        **_search(view, "domain_search_list"),
        "domain_name": _quoted(view.network.spec.dns.domain),
    }
    # A way to nowhere would win over that of a second, connected NIC
    way_out = plan.routed or _gateway_is_the_sites(view, subnet)
    if way_out:
        options["router"] = gateway
    servers = _of_family(plan.resolvers, 4)
    if servers:
        options["dns_server"] = _list(servers)
    if subnet.routes:
        routes = [f"{route.destination},{route.next_hop}" for route in subnet.routes]
        # Clients ignore option 3, the router, when option 121 is there (RFC 3442)
        if way_out:
            routes.append(f"0.0.0.0/0,{gateway}")
        options["classless_static_route"] = f"{{{', '.join(routes)}}}"
    return view.owner.row("DHCP_Options", "v4", cidr=subnet.cidr, options=options)


def _gateway_is_the_sites(view: NetworkView, subnet: SubnetView) -> bool:
    return not view.overlay or any(
        item.gateway is not None and item.cidr == subnet.cidr for item in view.network.spec.subnets
    )


def _dhcp6(plan: NetworkPlan, subnet: SubnetView) -> DesiredRow:
    view = plan.view
    options = {"server_id": view.gateway_mac, **_search(view, "domain_search")}
    servers = _of_family(plan.resolvers, 6)
    if servers:
        options["dns_server"] = _list(servers)
    return view.owner.row("DHCP_Options", "v6", cidr=subnet.cidr, options=options)


def _search(view: NetworkView, option: str) -> dict[str, str]:
    """Where short names are looked for: in the network's namespace, and below the domain."""
    domain = view.network.spec.dns.domain
    namespace = view.network.metadata.namespace or ""
    zones = [domain] if namespace == NAMESPACE_SHARED else [f"{namespace}.{domain}", domain]
    return {option: _quoted(",".join(zones))}


def _names(plan: NetworkPlan) -> Iterator[DesiredRow]:
    view = plan.view
    yield view.owner.row(
        "DNS",
        parents=[SetRef(*view.switch, "dns_records")],
        records=dict(plan.records),
        # The column came with the feature: None is never written
        options={"ovn-owned": "true"} if plan.capabilities.dns_owned else None,
    )
    if plan.records and plan.capabilities.dns_hole:
        for family in FAMILIES:
            yield from _close_dns_hole(plan, family)


def _close_dns_hole(plan: NetworkPlan, family: Family) -> Iterator[DesiredRow]:
    """CVE-2025-0650: whoever sends from port 53 passes all inbound rules. Only resolvers of ours may."""
    view = plan.view
    key = f"resolvers{family}"
    name = f"qx_dns{family}_{view.owner.ref('Address_Set', key).uuid.hex}"
    servers = frozenset(_of_family(plan.resolvers, family))
    match = f"ip{family} && udp.src == 53"
    if servers:
        yield view.owner.row("Address_Set", key, name=name, addresses=servers)
        match += f" && ip{family}.src != ${name}"
    yield acl(view.owner, SetRef(*view.switch, "acls"), OUTBOUND, GUARD_PRIORITY, match, "drop")


def _of_family(addresses: tuple[str, ...], family: Family) -> tuple[str, ...]:
    return tuple(address for address in addresses if ip_address(address).version == family)


def _list(addresses: tuple[str, ...]) -> str:
    return addresses[0] if len(addresses) == 1 else f"{{{', '.join(addresses)}}}"


def _quoted(text: str) -> str:
    """OVN takes the text options of DHCP only in quotes of their own (ovn-nb(5), DHCP_Options)."""
    return f'"{text}"'
