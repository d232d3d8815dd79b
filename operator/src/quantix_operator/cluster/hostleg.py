"""The hosts' own legs: a switch on which each host has a port, joined to the Router `default`.

Pure; called by the cluster's controller. So the machines reach their guests, east-west, past every NAT; the
guests cannot open connections to the machines. The rows belong to the cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network

from quantix_api import HostLeg, identity
from quantix_operator.northbound.addresses import (
    HOST_LEG_SUBNET,
    Pool,
    allocate,
    eui64,
    local_subnet,
)
from quantix_operator.northbound.groups import HOSTS_GROUP
from quantix_operator.northbound.match import Family
from quantix_operator.northbound.rows import DesiredRow, Owner, SetRef
from quantix_operator.router.rows import port_pair, router_ports

PREFIX_CANDIDATES = (
    "100.64.252.0/22",
    "172.30.252.0/22",
    "10.254.252.0/22",
    "192.168.252.0/22",
    "198.19.252.0/22",
)
"""Where the hosts' legs may lie: a thousand hosts each, in corners that sites rarely use."""

_KEY = "hosts"


@dataclass(frozen=True)
class HostPort:
    """A host and the address that it has on the switch."""

    name: str
    uid: str
    address: str


@dataclass(frozen=True)
class HostLegPlan:
    """All that the rows depend on. `router` is the owner of the Router `default`."""

    cluster: Owner
    router: Owner
    prefix: IPv4Network
    hosts: tuple[HostPort, ...]

    @property
    def prefix6(self) -> IPv6Network:
        """The IPv6 side, from the cluster's own prefix."""
        return local_subnet(self.cluster.cluster, HOST_LEG_SUBNET)

    @property
    def gateway(self) -> str:
        """The router's IPv4 address on the switch: the first."""
        return str(self.prefix.network_address + 1)

    @property
    def gateway6(self) -> str:
        """The router's IPv6 address on the switch: the first."""
        return str(self.prefix6.network_address + 1)


def choose_prefix(recorded: Iterable[str], taken: Iterable[str]) -> IPv4Network:
    """The IPv4 prefix of the legs: where hosts have theirs already, else the first that overlaps nothing.

    `recorded` are addresses of hosts' legs in CIDR form, `taken` prefixes and addresses in use elsewhere.
    Raises ValueError when every candidate overlaps.
    """
    for address in recorded:
        interface = ip_interface(address)
        if isinstance(interface.network, IPv4Network):
            return interface.network
    used = [ip_network(item, strict=False) for item in taken]
    for candidate in PREFIX_CANDIDATES:
        prefix = IPv4Network(candidate)
        if not any(isinstance(item, IPv4Network) and item.overlaps(prefix) for item in used):
            return prefix
    raise ValueError("every prefix for the hosts' legs overlaps a network or an address of a host")


def place_hosts(
    prefix: IPv4Network, hosts: Sequence[tuple[str, str]], recorded: Mapping[str, str]
) -> tuple[HostPort, ...]:
    """Each host (name, UID) with its address: the recorded one (by UID), else a free one; the rest waits."""
    pool = Pool(prefix, prefix.network_address + 1)
    taken: set[str] = set()
    kept: dict[str, str] = {}
    for _, uid in hosts:
        address = recorded.get(uid)
        if address is not None and address not in taken and not pool.reserved(int(ip_interface(address).ip)):
            kept[uid] = address
            taken.add(address)
    placed = []
    for name, uid in hosts:
        address = kept.get(uid)
        if address is None:
            chosen = allocate(pool, taken, uid, "hostleg")
            if chosen is None:
                continue
            address = str(chosen)
            taken.add(address)
        placed.append(HostPort(name, uid, address))
    return tuple(placed)


def host_leg_rows(plan: HostLegPlan) -> list[DesiredRow]:
    """The switch, its port pair to the router, and one port for each host. The groups must be there."""
    cluster = plan.cluster
    rows = [cluster.row("Logical_Switch", _KEY, name=str(cluster.ref("Logical_Switch", _KEY).uuid))]
    ports = SetRef(*cluster.ref("Logical_Switch", _KEY), "ports")
    port = cluster.row(
        "Logical_Router_Port",
        _KEY,
        name=str(cluster.ref("Logical_Router_Port", _KEY).uuid),
        mac=identity.mac_address(identity.MAC_ROUTER_PORT, cluster.cluster, cluster.uid, _KEY),
        networks=frozenset(
            {f"{plan.gateway}/{plan.prefix.prefixlen}", f"{plan.gateway6}/{plan.prefix6.prefixlen}"}
        ),
    )
    rows.extend(port_pair(router_ports(plan.router), port, ports, _KEY, cluster))
    rows.extend(_host_ports(plan, ports))
    return rows


def _host_ports(plan: HostLegPlan, ports: SetRef) -> Iterator[DesiredRow]:
    cluster = plan.cluster
    group = SetRef(*cluster.ref("Port_Group", HOSTS_GROUP), "ports")
    for host in plan.hosts:
        mac = host_mac(cluster.cluster, host.uid)
        address = f"{mac} {host.address} {eui64(plan.prefix6, mac)}"
        yield cluster.row(
            "Logical_Switch_Port",
            f"{_KEY}/{host.uid}",
            parents=[ports, group],
            name=identity.host_leg_port_name(cluster.cluster, host.uid),
            addresses=frozenset({address}),
            port_security=frozenset({f"{address} fe80::/64"}),
            options={"requested-chassis": host.uid},
        )


def host_mac(cluster_uid: str, host_uid: str) -> str:
    """The MAC of a host's leg."""
    return identity.mac_address(identity.MAC_HOST_LEG, cluster_uid, host_uid, "hostleg")


def host_leg_status(plan: HostLegPlan, host: HostPort, prefixes: Iterable[str], mtu: int) -> HostLeg:
    """What hostd needs to plug `qxh0`; `prefixes` are where guests are, `mtu` in bytes."""
    mac = host_mac(plan.cluster.cluster, host.uid)
    return HostLeg(
        port=identity.host_leg_port_name(plan.cluster.cluster, host.uid),
        mac=mac,
        addresses=(
            f"{host.address}/{plan.prefix.prefixlen}",
            f"{eui64(plan.prefix6, mac)}/{plan.prefix6.prefixlen}",
        ),
        gateway=plan.gateway,
        gateway_ipv6=plan.gateway6,
        prefixes=tuple(sorted(prefixes, key=_by_family)),
        mtu=mtu,
    )


def _by_family(prefix: str) -> tuple[Family, str]:
    return (4 if ip_network(prefix).version == 4 else 6, prefix)
