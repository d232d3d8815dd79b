"""What hosts are to each other by their wires: whether what guests send fits into tunnels, and where guests
that move arrive. Pure; used by `host.network.controller`.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from quantix_api import Host, Network
from quantix_api.messages import render
from quantix_hostd.host.network.model import INTEGRATION_BRIDGE, NetworkState
from quantix_hostd.host.network.tunnel import TunnelPlace, Underlay, addresses_of, first_of

_TUNNELS = "ovn-"
# Geneve as OVN uses it: outer headers, UDP, its own with one option, the inner Ethernet header
_OVERHEAD_BYTES = {4: 58, 6: 78}

Problem = tuple[str, str]
"""(reason, message)."""


def too_small(
    host: Host, place: TunnelPlace, networks: Iterable[Network], state: NetworkState
) -> Problem | None:
    """Where this host has tunnels to others, and the largest packet of a network does not fit into them. Of
    one whose spec names its MTU the network itself says so: no host is at fault for what somebody wishes.
    """
    switch = state.bridges.get(INTEGRATION_BRIDGE)
    if switch is None or not any(port.startswith(_TUNNELS) for port in switch.ports):
        return None
    overlays = [
        network
        for network in networks
        if network.spec.physical is None and network.spec.mtu is None and not network.deleting
    ]
    wanted, largest = max(((network.status.mtu or 0, network.key) for network in overlays), default=(0, ""))
    wanted += _OVERHEAD_BYTES[ip_address(place.address).version]
    if wanted <= place.mtu:
        return None
    name = host.metadata.name
    interface = host.spec.interfaces.tunnel or "the interface of the default route"
    sizes = {"found": str(place.mtu), "wanted": str(wanted)}
    said = render("UnderlayTooSmall", host=name, network=largest, interface=interface, **sizes)
    return said.reason, said.text


def arrival_address(host: Host, found: Underlay) -> tuple[str, Problem | None]:
    """Where guests that move here arrive, "" where spec names no interface or it has no address."""
    interface = host.spec.interfaces.migration
    if interface is None:
        return "", None
    address = first_of(addresses_of(interface, found))
    if address:
        return address, None
    said = render("MigrationInterfaceUnusable", host=host.metadata.name, interface=interface)
    return "", (said.reason, said.text)
