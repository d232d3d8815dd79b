"""A Network as the rest of the plan sees it: its subnets with every default applied, its MTU, its gateway.

Used by network, router, nics, ipam and cluster. Pure: what was chosen for the Network before (its /64, its
MTU) is read from its status.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Network, ip_address, ip_network
from typing import NewType

from quantix_api import Host, Network, identity
from quantix_api.host import HostNetwork
from quantix_api.network import Route, Subnet
from quantix_api.resources import LOCAL_PHYSICAL_NETWORK
from quantix_operator.northbound.addresses import Pool, choose_local_subnet, make_pool
from quantix_operator.northbound.match import Family
from quantix_operator.northbound.rows import Owner, RowRef, SetRef

GENEVE_OVERHEAD_BYTES = 58
"""Geneve over IPv4 in an Ethernet frame (ovn-architecture(7))."""
DEFAULT_UNDERLAY_MTU = 1500

Wire = NewType("Wire", str)
"""What frames share, by name: each MAC and each address is there once, whatever Networks are joined to it."""


@dataclass(frozen=True)
class SubnetView:
    """One family of a network."""

    pool: Pool
    dhcp: bool
    lease_seconds: int
    routes: tuple[Route, ...]
    slaac: bool

    @property
    def family(self) -> Family:
        """4 or 6."""
        return 4 if self.pool.prefix.version == 4 else 6

    @property
    def cidr(self) -> str:
        """The subnet in text form."""
        return str(self.pool.prefix)


@dataclass(frozen=True)
class NetworkView:
    """A network with every default applied."""

    owner: Owner
    network: Network
    v4: SubnetView | None
    v6: SubnetView | None

    @property
    def uid(self) -> str:
        """UID of the Network, and name of its logical switch."""
        return self.owner.uid

    @property
    def key(self) -> str:
        """namespace/name."""
        return self.owner.name

    @property
    def overlay(self) -> bool:
        """Whether it is a network of its own, not joined to a wire."""
        return self.network.spec.physical is None

    @property
    def wire(self) -> Wire:
        """The wire that it is joined to."""
        return wire_of(self.network)

    @property
    def is_way_out(self) -> bool:
        """Whether the hosts themselves are the next hop there: `qx-local`, untagged."""
        physical = self.network.spec.physical
        return physical is not None and physical.name == LOCAL_PHYSICAL_NETWORK and physical.vlan is None

    @property
    def subnets(self) -> tuple[SubnetView, ...]:
        """Its subnets, IPv4 first."""
        return tuple(subnet for subnet in (self.v4, self.v6) if subnet is not None)

    @property
    def gateway_mac(self) -> str:
        """The MAC of its gateway, derived from the network, so that DHCP and router agree."""
        return identity.mac_address(identity.MAC_ROUTER_PORT, self.owner.cluster, self.uid, "gateway")

    @property
    def reserved_macs(self) -> frozenset[str]:
        """MACs on its wire that are the platform's own."""
        own = {self.gateway_mac}
        if self.is_way_out:
            own.add(identity.way_out_mac(self.owner.cluster))
        return frozenset(own)

    def reserves(self, address: str) -> bool:
        """Whether it keeps an address from being given out: its gateway, and what is excluded."""
        parsed = ip_address(address)
        return any(
            any(int(parsed) in item for item in subnet.pool.kept_back)
            for subnet in self.subnets
            if subnet.family == parsed.version
        )

    @property
    def switch(self) -> RowRef:
        """Its logical switch."""
        return self.owner.ref("Logical_Switch")

    @property
    def ports(self) -> SetRef:
        """The ports of its logical switch."""
        return SetRef(*self.switch, "ports")

    def dhcp_options(self, family: Family) -> RowRef | None:
        """The DHCP answer for its ports, None when it gives none."""
        subnet = self.v4 if family == 4 else self.v6
        if subnet is None or not subnet.dhcp or subnet.slaac:
            return None
        return self.owner.ref("DHCP_Options", f"v{family}")


def wire_of(network: Network) -> Wire:
    """The wire of a Network: what has the same `spec.physical` is one wire, an overlay one of its own."""
    physical = network.spec.physical
    if physical is None:
        return own_wire(network.metadata.uid)
    return Wire(f"{physical.name}/{'untagged' if physical.vlan is None else physical.vlan}")


def own_wire(network_uid: str) -> Wire:
    """The wire of a Network that shares none."""
    return Wire(network_uid)


def network_owner(cluster_uid: str, network: Network) -> Owner:
    """The owner of the rows of a Network."""
    return Owner(cluster_uid, network.metadata.uid, "Network", network.key)


def make_view(cluster_uid: str, network: Network, automatic: str | None = None) -> NetworkView:
    """The view of a Network; `automatic` is the /64 chosen for it, else the one in its status counts."""
    spec = network.spec
    subnets = {subnet_family(subnet.cidr): _subnet(subnet, spec.physical is None) for subnet in spec.subnets}
    if 6 not in subnets and wants_automatic(network):
        chosen = automatic or recorded_automatic(network)
        if chosen is not None:
            subnets[6] = _subnet(Subnet(cidr=chosen), overlay=True)
    return NetworkView(network_owner(cluster_uid, network), network, subnets.get(4), subnets.get(6))


def wants_automatic(network: Network) -> bool:
    """Whether the Network gets a /64 of the cluster's own prefix."""
    spec = network.spec
    has_v6 = any(subnet_family(subnet.cidr) == 6 for subnet in spec.subnets)
    return spec.physical is None and spec.ipv6 == "Auto" and not has_v6


def recorded_automatic(network: Network) -> str | None:
    """The /64 that was chosen for the Network before."""
    own = {subnet.cidr for subnet in network.spec.subnets}
    chosen = (cidr for cidr in network.status.subnets if subnet_family(cidr) == 6 and cidr not in own)
    return next(chosen, None)


def choose_automatic(cluster_uid: str, network: Network, others: Iterable[Network]) -> str | None:
    """The /64 for a Network that wants one: the recorded one, else one that no other Network has."""
    if not wants_automatic(network):
        return None
    recorded = recorded_automatic(network)
    if recorded is not None:
        return recorded
    taken = {cidr for other in others for cidr in other.status.subnets}
    chosen: IPv6Network = choose_local_subnet(cluster_uid, network.metadata.uid, taken)
    return str(chosen)


def underlay_mtus(hosts: Iterable[Host]) -> list[int]:
    """What fits between hosts by tunnels, in bytes, as far as they say."""
    return [facts.underlay_mtu for facts in _said(hosts) if facts.underlay_mtu is not None]


def mtus_for(network: Network, hosts: Iterable[Host]) -> list[int]:
    """What fits by the wire that the Network is joined to, else by tunnels."""
    wire = network.spec.physical
    if wire is None:
        return underlay_mtus(hosts)
    return [item.mtu for facts in _said(hosts) for item in facts.physical if item.name == wire.name]


def _said(hosts: Iterable[Host]) -> list[HostNetwork]:
    return [host.status.network for host in hosts if host.status.network is not None]


def choose_mtu(network: Network, mtus: Iterable[int]) -> tuple[int, bool]:
    """The MTU in bytes, and whether it is to be kept: what spec says, what was kept, or what fits.

    Without any host nothing is known yet, and nothing kept.
    """
    if network.spec.mtu is not None:
        return network.spec.mtu, True
    if network.status.mtu is not None:
        return network.status.mtu, True
    known = tuple(mtus)
    underlay = min(known, default=DEFAULT_UNDERLAY_MTU)
    overhead = GENEVE_OVERHEAD_BYTES if network.spec.physical is None else 0
    return underlay - overhead, bool(known)


def subnet_family(cidr: str) -> Family:
    """4 or 6."""
    return 4 if ip_network(cidr, strict=False).version == 4 else 6


def _subnet(subnet: Subnet, overlay: bool) -> SubnetView:
    excluded = ((item.first, item.last) for item in subnet.exclude_ranges)
    dhcp = subnet.dhcp if subnet.dhcp is not None else ("Enabled" if overlay else "Disabled")
    return SubnetView(
        pool=make_pool(subnet.cidr, subnet.effective_gateway, excluded),
        dhcp=dhcp == "Enabled",
        lease_seconds=subnet.lease_seconds,
        routes=subnet.routes,
        slaac=subnet.address_mode == "SLAAC",
    )
