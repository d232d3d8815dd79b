"""The network that this host should have, from the API's objects and the machine: pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from quantix_api import Host, Network
from quantix_api.resources import LOCAL_PHYSICAL_NETWORK
from quantix_hostd.host.network.model import LegSpec, NetworkSpec, PhysicalWire, WayOut
from quantix_hostd.host.network.tunnel import TunnelPlace

_FALLBACK_MTU = 1500


def desired_network(
    host: Host,
    networks: Iterable[Network],
    southbound: str,
    tunnel: TunnelPlace,
    datapath: str,
    *,
    way_out_mac: str,
    physical: tuple[PhysicalWire, ...] = (),
    platform: frozenset[str] | None = None,
) -> NetworkSpec:
    """From the Host (leg), the Networks joined to `qx-local` (ways out), what the machine can do, and
    the addresses of the platform, None while they are not known.
    """
    outside = sorted((n for n in networks if _is_outside(n)), key=lambda network: network.key)
    return NetworkSpec(
        system_id=host.metadata.uid,
        host=host.metadata.name,
        southbound=southbound,
        tunnel_address=tunnel.address,
        wire=tunnel.wire,
        datapath=datapath,
        way_out_mac=way_out_mac,
        leg=_leg(host),
        physical=physical,
        ways_out=tuple(way for network in outside for way in _ways_out(network)),
        platform=platform,
    )


def _is_outside(network: Network) -> bool:
    physical = network.spec.physical
    return (
        physical is not None
        and physical.name == LOCAL_PHYSICAL_NETWORK
        and physical.vlan is None
        and not network.deleting
    )


def _ways_out(network: Network) -> Iterable[WayOut]:
    for subnet in network.spec.subnets:
        prefix = ipaddress.ip_network(subnet.cidr, strict=False)
        yield WayOut(f"{subnet.effective_gateway}/{prefix.prefixlen}", str(prefix))


def _leg(host: Host) -> LegSpec | None:
    leg = host.status.host_leg
    if leg is None or not leg.mac or not leg.addresses:
        return None
    return LegSpec(
        port=leg.port,
        mac=leg.mac,
        addresses=leg.addresses,
        gateways=tuple(address for address in (leg.gateway, leg.gateway_ipv6) if address),
        prefixes=leg.prefixes,
        mtu=leg.mtu or _FALLBACK_MTU,
    )
