"""The wire for tunnels between hosts: which interface it is, and where its address has to be. Pure.

Used by `host.network.controller` and its plan. In the userspace datapath a tunnel's address must be on a
bridge of Open vSwitch (docs.openvswitch.org, "Open vSwitch with DPDK", tunnels): the interface becomes a port
of `qx-phy`, and its addresses are that bridge's own. The kernel's datapath takes the interface as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from quantix_api.messages import render
from quantix_hostd.facts.links import DefaultRoute, LinkFacts
from quantix_hostd.facts.switch import OWNER_KEY, BridgeFacts
from quantix_hostd.host.network.model import (
    MARK,
    TUNNEL_BRIDGE,
    WIRE,
    AddAddress,
    AttachPort,
    EnsureBridge,
    NetworkAction,
    NetworkSpec,
    NetworkState,
    RemoveAddress,
    RemoveBridge,
    SetLink,
    TunnelWire,
)

_FALLBACK_MTU = 1500
_LOOPBACK = "127.0.0.1"
_MAX_NAMED = 8


@dataclass(frozen=True)
class Underlay:
    """What the machine has: devices, the one whose addresses `qx-phy` has ("" without), the way out, and the
    addresses that hostd serves at and reaches the API from. `member`: the databases are another host's.
    """

    links: Mapping[str, LinkFacts]
    attached: str
    default: DefaultRoute | None
    own_addresses: frozenset[str] = frozenset()
    member: bool = False


@dataclass(frozen=True)
class TunnelPlace:
    """Where tunnels end here; `wire` is what `qx-phy` is to take. `problem` is (reason, message), or None."""

    address: str
    mtu: int
    wire: TunnelWire | None = None
    problem: tuple[str, str] | None = None


def attached_wire(bridges: Mapping[str, BridgeFacts]) -> str:
    """The device whose addresses `qx-phy` has, its port or not; "" when there is none."""
    found = bridges.get(TUNNEL_BRIDGE)
    return found.external_ids.get(WIRE, "") if found is not None else ""


def tunnel_place(host: str, interface: str | None, datapath: str, found: Underlay) -> TunnelPlace:
    """Of the interface that the Host's spec names, else of the default route. A host without either has no
    peers to reach: loopback.
    """
    if interface is None:
        place = _way_out(found)
        if datapath != "netdev" or not found.member:
            return place
        text = render("TunnelInterfaceUnusable", host=host).text
        return replace(place, problem=("TunnelInterfaceUnusable", text))
    link = found.links.get(interface)
    if link is None:
        there = sorted(name for name in found.links if name != "lo" and not name.startswith("qx"))
        known = ", ".join(there[:_MAX_NAMED]) or "no other"
        return _unusable(host=host, interface=interface, known=known)
    addresses = addresses_of(interface, found)
    address = first_of(addresses)
    if not address:
        return _unusable(host=host, interface=interface)
    if datapath != "netdev":
        return TunnelPlace(_named(interface, address, found), link.mtu)
    if shared := _shared(interface, addresses, found):
        text = render("TunnelInterfaceShared", host=host, interface=interface, address=shared).text
        return TunnelPlace(_named(interface, address, found), link.mtu, None, ("TunnelInterfaceShared", text))
    return TunnelPlace(address, link.mtu, TunnelWire(interface, link.mac, link.mtu, addresses))


def plan_wire(spec: NetworkSpec, state: NetworkState) -> tuple[NetworkAction, ...]:
    """What puts `qx-phy` right: the interface and its addresses in it, or given back."""
    attached = attached_wire(state.bridges)
    wire = spec.wire
    if TUNNEL_BRIDGE in state.bridges and (wire is None or attached not in ("", wire.device)):
        return tuple(_give_back(attached, state))
    return tuple(_take(spec, wire, state)) if wire is not None else ()


def _take(spec: NetworkSpec, wire: TunnelWire, state: NetworkState) -> Iterator[NetworkAction]:
    bridge = state.bridges.get(TUNNEL_BRIDGE)
    right = (
        bridge is not None
        and bridge.datapath_type == spec.datapath
        and bridge.fail_mode == "standalone"
        and bridge.mac == wire.mac
        and bridge.external_ids.get(OWNER_KEY) == spec.system_id
        and bridge.external_ids.get(WIRE) == wire.device
    )
    if not right:
        yield EnsureBridge(TUNNEL_BRIDGE, spec.datapath, "standalone", spec.system_id, wire.mac, wire.device)
    port = state.interfaces.get(wire.device)
    if bridge is None or wire.device not in bridge.ports or port is None or MARK not in port.external_ids:
        yield AttachPort(TUNNEL_BRIDGE, wire.device, spec.system_id)
    own, device = state.links.get(TUNNEL_BRIDGE), state.links.get(wire.device)
    if device is not None and not device.up:
        yield SetLink(wire.device, None)
    if own is None or not own.up or own.mtu != wire.mtu:
        yield SetLink(TUNNEL_BRIDGE, wire.mtu)
    # Added before it is removed: whatever ends in between, the address is somewhere
    here = own.addresses if own is not None else frozenset()
    yield from (AddAddress(TUNNEL_BRIDGE, address) for address in sorted(wire.addresses - here))
    there = device.addresses if device is not None else frozenset()
    yield from (RemoveAddress(wire.device, address) for address in sorted(there))


def _give_back(attached: str, state: NetworkState) -> Iterator[NetworkAction]:
    own, device = state.links.get(TUNNEL_BRIDGE), state.links.get(attached)
    here = own.addresses if own is not None else frozenset()
    if device is not None:
        yield from (AddAddress(attached, address) for address in sorted(here - device.addresses))
    # its own port goes with it, and the addresses of that
    yield RemoveBridge(TUNNEL_BRIDGE)


def _way_out(found: Underlay) -> TunnelPlace:
    default = found.default
    link = found.links.get(default.device) if default is not None else None
    if default is None or link is None:
        return TunnelPlace(_LOOPBACK, _FALLBACK_MTU)
    return TunnelPlace(default.address, link.mtu)


def _named(interface: str, address: str, found: Underlay) -> str:
    """On the way out, the address that packets leave with."""
    default = found.default
    return default.address if default is not None and default.device == interface else address


def addresses_of(interface: str, found: Underlay) -> frozenset[str]:
    """Its addresses, also those that `qx-phy` took over."""
    link, own = found.links.get(interface), found.links.get(TUNNEL_BRIDGE)
    here = link.addresses if link is not None else frozenset()
    return here | own.addresses if own is not None and found.attached == interface else here


def _shared(interface: str, addresses: frozenset[str], found: Underlay) -> str:
    """The address that makes the interface more than a wire for tunnels, "" when there is none."""
    devices = {interface, TUNNEL_BRIDGE} if found.attached == interface else {interface}
    if found.default is not None and found.default.device in devices:
        return found.default.address
    own = {address.split("/")[0] for address in addresses} & found.own_addresses
    return min(own, default="")


def first_of(addresses: frozenset[str]) -> str:
    """IPv4 before IPv6, without the length of the prefix; "" of none."""
    ordered = sorted(addresses, key=lambda address: (":" in address, address))
    return ordered[0].split("/")[0] if ordered else ""


def _unusable(**fields: str) -> TunnelPlace:
    text = render("TunnelInterfaceUnusable", **fields).text
    return TunnelPlace(_LOOPBACK, _FALLBACK_MTU, None, ("TunnelInterfaceUnusable", text))
