"""What to do so that the host's network is as it should be: pure, total, and empty once all is right.

Called by `host.network.controller`. Nothing of others is touched: bridges and devices are `qx…`, routes
carry our protocol number, keys of other owners in shared maps stay.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from quantix_api.errors import PermanentError
from quantix_api.messages import as_error, render
from quantix_api.resources import NAMESPACE_SYSTEM, PLATFORM_CONFIG_MAP
from quantix_hostd.facts.links import HOST_LEG, Route
from quantix_hostd.facts.switch import OWNER_KEY, InternalPort
from quantix_hostd.host.network.model import (
    EXTERNAL_BRIDGE,
    INTEGRATION_BRIDGE,
    IP_FORWARD,
    IP_FORWARD_V6,
    MARK,
    AddAddress,
    EnsureBridge,
    EnsurePort,
    Forward,
    LegSpec,
    NetworkAction,
    NetworkSpec,
    NetworkState,
    PutRoute,
    RemoveAddress,
    RemovePort,
    RemoveRoute,
    ReplacePacketFilter,
    SetExternalIds,
    SetLink,
)
from quantix_hostd.host.network.physical import mappings, plan_physical
from quantix_hostd.host.network.tunnel import plan_wire
from quantix_hostd.packet_filter import render_tables

_REMOTE = "ovn-remote"


def plan_network(spec: NetworkSpec, state: NetworkState) -> tuple[NetworkAction, ...]:
    """The actions in order. Raises PermanentError (OVNAlreadyConfigured) when OVN here is somebody else's."""
    _refuse_foreign_ovn(spec, state)
    return (
        *_bridges(spec, state),
        *plan_wire(spec, state),
        *plan_physical(spec, state),
        *_external_ids(spec, state),
        *_leg_port(spec, state),
        *_leg_device(spec, state),
        *_way_out(spec, state),
    )


def wanted_external_ids(spec: NetworkSpec) -> dict[str, str]:
    """What ovn-controller reads (ovn-controller(8)), and our mark."""
    return {
        "system-id": spec.system_id,
        "hostname": spec.host,
        _REMOTE: spec.southbound,
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": spec.tunnel_address,
        "ovn-bridge": INTEGRATION_BRIDGE,
        "ovn-bridge-datapath-type": spec.datapath,
        "ovn-bridge-mappings": mappings(spec.physical),
        "ovn-monitor-all": "true",
        MARK: spec.system_id,
    }


def plan_packet_filter(spec: NetworkSpec, found: str) -> tuple[ReplacePacketFilter, ...]:
    """What puts our tables right, of which `found` is the text: part of `plan_network`, and all that can be
    done without the switch.
    """
    wires = [wire.device for wire in spec.physical]
    if spec.wire is not None:
        wires.append(spec.wire.device)
    tables = render_tables(_sources(spec), EXTERNAL_BRIDGE, wires, spec.senders, spec.platform)
    return () if _normal(tables) == _normal(found) else (ReplacePacketFilter(tables),)


def traffic_problem(spec: NetworkSpec, state: NetworkState) -> tuple[str, str] | None:
    """(reason, message) of what keeps guests from the outside although all of ours is right."""
    if not spec.ways_out or not state.blockers:
        return None
    command = f"iptables -I FORWARD -i {EXTERNAL_BRIDGE} -j ACCEPT, and the same with -o"
    return "HostFirewallDropsGuests", render("HostFirewallDropsGuests", host=spec.host, command=command).text


def unknown_platform(spec: NetworkSpec) -> tuple[str, str] | None:
    """(reason, message) of what keeps the packet filter from letting anything new out (docs/adr/0056)."""
    if not spec.ways_out or spec.platform is not None:
        return None
    text = render(
        "PlatformUnknown", host=spec.host, named=PLATFORM_CONFIG_MAP, namespace=NAMESPACE_SYSTEM
    ).text
    return "PlatformUnknown", text


def _refuse_foreign_ovn(spec: NetworkSpec, state: NetworkState) -> None:
    remote = state.external_ids.get(_REMOTE, "")
    if remote and remote != spec.southbound and MARK not in state.external_ids:
        raise as_error(PermanentError, "OVNAlreadyConfigured", remote=remote)


def _bridges(spec: NetworkSpec, state: NetworkState) -> Iterator[NetworkAction]:
    wanted = ((INTEGRATION_BRIDGE, "secure", ""), (EXTERNAL_BRIDGE, "standalone", spec.way_out_mac))
    for name, fail_mode, mac in wanted:
        found = state.bridges.get(name)
        right = (
            found is not None
            and found.datapath_type == spec.datapath
            and found.fail_mode == fail_mode
            and (not mac or found.mac == mac)
            and found.external_ids.get(OWNER_KEY) == spec.system_id
        )
        if not right:
            yield EnsureBridge(name, spec.datapath, fail_mode, spec.system_id, mac)


def _external_ids(spec: NetworkSpec, state: NetworkState) -> Iterator[NetworkAction]:
    wanted = wanted_external_ids(spec)
    wrong = {key: value for key, value in wanted.items() if state.external_ids.get(key) != value}
    if wrong:
        yield SetExternalIds(tuple(sorted(wrong.items())))


def _leg_port(spec: NetworkSpec, state: NetworkState) -> Iterator[NetworkAction]:
    found = state.interfaces.get(HOST_LEG)
    leg = spec.leg
    if leg is None:
        if found is not None and found.external_ids.get(MARK):
            yield RemovePort(INTEGRATION_BRIDGE, HOST_LEG)
        return
    # Not the owner's key: interfaces with that one are guests' taps, and swept when no guest has them
    ids = {"iface-id": leg.port, MARK: spec.system_id}
    bridge = state.bridges.get(INTEGRATION_BRIDGE)
    right = (
        found is not None
        and bridge is not None
        and HOST_LEG in bridge.ports
        and found.type == "internal"
        and found.mac == leg.mac
        and found.mtu_request == leg.mtu
        and all(found.external_ids.get(key) == value for key, value in ids.items())
    )
    if not right:
        yield EnsurePort(InternalPort(INTEGRATION_BRIDGE, HOST_LEG, leg.mac, leg.mtu, ids))


def _leg_device(spec: NetworkSpec, state: NetworkState) -> Iterator[NetworkAction]:
    leg = spec.leg
    if leg is None:
        return
    link = state.links.get(HOST_LEG)
    # The tap of a userspace bridge keeps its own MTU unless told; mtu_request does the rest
    if link is None or not link.up:
        yield SetLink(HOST_LEG, None)
    yield from _addresses(HOST_LEG, frozenset(leg.addresses), link.addresses if link else frozenset())
    wanted = frozenset(_leg_routes(leg))
    for route in sorted(wanted - state.routes):
        yield PutRoute(route)
    # A route to the same prefix is replaced by putting the new one: removing it afterwards would lose both
    kept = {route.prefix for route in wanted}
    for route in sorted(state.routes - wanted):
        if route.device == HOST_LEG and route.prefix not in kept:
            yield RemoveRoute(route)


def _leg_routes(leg: LegSpec) -> Iterator[Route]:
    for prefix in leg.prefixes:
        version = ipaddress.ip_network(prefix).version
        for gateway in leg.gateways:
            if ipaddress.ip_address(gateway).version == version:
                yield Route(str(ipaddress.ip_network(prefix)), gateway, HOST_LEG)


def _way_out(spec: NetworkSpec, state: NetworkState) -> Iterator[NetworkAction]:
    # Before the bridge has an address that a guest could ask
    yield from plan_packet_filter(spec, state.packet_filter)
    link = state.links.get(EXTERNAL_BRIDGE)
    if link is None or not link.up:
        yield SetLink(EXTERNAL_BRIDGE, None)
    gateways = frozenset(way.gateway for way in spec.ways_out)
    yield from _addresses(EXTERNAL_BRIDGE, gateways, link.addresses if link else frozenset())
    if _sources(spec) and not state.forwarding:
        yield Forward(IP_FORWARD)
    if any(":" in way.prefix for way in spec.ways_out) and not state.forwarding_v6:
        yield Forward(IP_FORWARD_V6)


def _sources(spec: NetworkSpec) -> list[str]:
    """The prefixes that leave with the host's own address."""
    return [way.prefix for way in spec.ways_out if ":" not in way.prefix]


def _addresses(device: str, wanted: frozenset[str], found: frozenset[str]) -> Iterator[NetworkAction]:
    by_value = {ipaddress.ip_interface(address): address for address in found}
    for address in sorted(wanted):
        if ipaddress.ip_interface(address) not in by_value:
            yield AddAddress(device, address)
    kept = {ipaddress.ip_interface(address) for address in wanted}
    for value, address in sorted(by_value.items(), key=lambda item: item[1]):
        if value not in kept:
            yield RemoveAddress(device, address)


def _normal(tables: str) -> str:
    return " ".join(tables.split())
