"""The site's wires that Networks of kind vlan and flat are joined to: a bridge for each, with its interface.

Used by `host.network.controller` and its plan. OVN joins a Network to a wire by the bridge that is mapped to
its name (ovn-controller(8), ovn-bridge-mappings). The host itself has no address there: an interface that has
one, or that leads to the outside, is the host's own and is not taken. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from quantix_api import Host
from quantix_api.messages import render
from quantix_api.resources import LOCAL_PHYSICAL_NETWORK
from quantix_hostd.facts.links import DefaultRoute, LinkFacts
from quantix_hostd.facts.switch import OWNER_KEY
from quantix_hostd.host.network.model import (
    EXTERNAL_BRIDGE,
    MARK,
    AttachPort,
    EnsureBridge,
    NetworkAction,
    NetworkSpec,
    NetworkState,
    PhysicalWire,
    RemoveBridge,
    SetLink,
)

PREFIX = "qx-w-"
# IFNAMSIZ of Linux, without the final NUL
_LONGEST = 15

Problem = tuple[str, str]


def bridge_of(name: str) -> str:
    """The bridge of the wire with this name, whatever its length."""
    direct = PREFIX + name
    if len(direct) <= _LONGEST:
        return direct
    return PREFIX + hashlib.sha256(name.encode()).hexdigest()[: _LONGEST - len(PREFIX)]


def physical_wires(
    host: Host, links: Mapping[str, LinkFacts], default: DefaultRoute | None
) -> tuple[tuple[PhysicalWire, ...], Problem | None]:
    """The wires that the Host's spec names and that can be had, and (reason, message) of the first that
    cannot.
    """
    wires, problems = [], []
    for item in host.spec.physical_networks:
        problem = _problem(host, item.name, item.interface, links, default)
        if problem is None:
            wires.append(PhysicalWire(item.name, bridge_of(item.name), item.interface))
        else:
            problems.append(problem)
    return tuple(wires), next(iter(problems), None)


def wire_mtus(
    wires: Iterable[PhysicalWire], links: Mapping[str, LinkFacts], default: DefaultRoute | None
) -> dict[str, int]:
    """By the names of physical networks: what fits through their wires, in bytes. Through the way out fits
    what does through the default route's interface.
    """
    devices = {wire.name: wire.device for wire in wires}
    if default is not None:
        devices[LOCAL_PHYSICAL_NETWORK] = default.device
    return {name: links[device].mtu for name, device in devices.items() if device in links}


def mappings(wires: Iterable[PhysicalWire]) -> str:
    """What ovn-controller is told: the way out, and each wire."""
    known = [(LOCAL_PHYSICAL_NETWORK, EXTERNAL_BRIDGE), *((wire.name, wire.bridge) for wire in wires)]
    return ",".join(f"{name}:{bridge}" for name, bridge in known)


def plan_physical(spec: NetworkSpec, state: NetworkState) -> Iterator[NetworkAction]:
    """What puts the bridges of the wires right, and removes those of wires that are named no more."""
    wanted = {wire.bridge for wire in spec.physical}
    for name, bridge in sorted(state.bridges.items()):
        ours = name.startswith(PREFIX) and bridge.external_ids.get(OWNER_KEY) == spec.system_id
        if ours and name not in wanted:
            yield RemoveBridge(name)
    for wire in spec.physical:
        yield from _wire(spec, wire, state)


def _wire(spec: NetworkSpec, wire: PhysicalWire, state: NetworkState) -> Iterator[NetworkAction]:
    bridge = state.bridges.get(wire.bridge)
    if bridge is not None and _others(wire, bridge.ports, state):
        # it held another interface before
        yield RemoveBridge(wire.bridge)
        bridge = None
    right = (
        bridge is not None
        and bridge.datapath_type == spec.datapath
        and bridge.fail_mode == "standalone"
        and bridge.external_ids.get(OWNER_KEY) == spec.system_id
    )
    if not right:
        yield EnsureBridge(wire.bridge, spec.datapath, "standalone", spec.system_id, "")
    port = state.interfaces.get(wire.device)
    if bridge is None or wire.device not in bridge.ports or port is None or MARK not in port.external_ids:
        yield AttachPort(wire.bridge, wire.device, spec.system_id)
    device = state.links.get(wire.device)
    if device is not None and not device.up:
        yield SetLink(wire.device, None)


def _others(wire: PhysicalWire, ports: Iterable[str], state: NetworkState) -> bool:
    """Whether an interface of the machine is in it that is not the wire's: patch ports are OVN's."""
    return any(
        port not in (wire.device, wire.bridge)
        and port in state.interfaces
        and MARK in state.interfaces[port].external_ids
        for port in ports
    )


def _problem(
    host: Host,
    name: str,
    interface: str,
    links: Mapping[str, LinkFacts],
    default: DefaultRoute | None,
) -> Problem | None:
    link = links.get(interface)
    about = {"host": host.metadata.name, "physical": name, "interface": interface}
    if link is None:
        return "PhysicalNetworkUnusable", render("PhysicalNetworkUnusable", **about).text
    if interface == host.spec.interfaces.tunnel:
        shared = {"host": host.metadata.name, "physical": name, "tunnels": interface}
        return "PhysicalNetworkUnusable", render("PhysicalNetworkUnusable", **shared).text
    own = min(link.addresses, default="")
    if default is not None and default.device == interface:
        own = own or default.address
    if not own:
        return None
    return "PhysicalNetworkUnusable", render("PhysicalNetworkUnusable", **about, address=own).text
