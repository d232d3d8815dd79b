"""What the host's network should be and what it is: frozen, for `plan`.

Names and rules: network.md, sections 5 and 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from quantix_hostd.facts.links import LinkFacts, Route
from quantix_hostd.facts.switch import BridgeFacts, InterfaceFacts, InternalPort

INTEGRATION_BRIDGE = "qx-int"
EXTERNAL_BRIDGE = "qx-ex"
TUNNEL_BRIDGE = "qx-phy"
"""Without the kernel's datapath: holds the wire for tunnels, and its address."""
MARK = "quantix.io/host"
"""Key in Open_vSwitch's external_ids: the UID of the Host that set ovn-controller's keys."""
WIRE = "quantix.io/wire"
"""Key in the external_ids of `qx-phy`: the interface whose addresses it has."""
IP_FORWARD = "net.ipv4.ip_forward"
IP_FORWARD_V6 = "net.ipv6.conf.all.forwarding"


@dataclass(frozen=True)
class LegSpec:
    """The host's leg into the guests' network, from `Host.status.hostLeg`."""

    port: str
    mac: str
    addresses: tuple[str, ...]
    gateways: tuple[str, ...]
    prefixes: tuple[str, ...]
    mtu: int


@dataclass(frozen=True)
class WayOut:
    """An outside network on `qx-local`: the host has `gateway` (with prefix length) and forwards for it."""

    gateway: str
    prefix: str


@dataclass(frozen=True)
class TunnelWire:
    """The interface that `qx-phy` takes, with what its own port has from it; addresses with prefix length."""

    device: str
    mac: str
    mtu: int
    addresses: frozenset[str]


@dataclass(frozen=True)
class PhysicalWire:
    """A wire of the site: its name, the bridge that is mapped to it, and the interface it comes in by."""

    name: str
    bridge: str
    device: str


@dataclass(frozen=True)
class NetworkSpec:
    """What should be. `system_id` is the UID of the Host, `datapath` OVS's word: system or netdev.

    `way_out_mac` is that of the host's own port on `qx-ex`; `senders` are the addresses from which other
    hosts send guests now. `platform` are the addresses of all hosts, of the API and of Ceph's monitors, None
    while they are not known.
    """

    system_id: str
    host: str
    southbound: str
    tunnel_address: str
    datapath: str
    way_out_mac: str
    leg: LegSpec | None = None
    ways_out: tuple[WayOut, ...] = ()
    physical: tuple[PhysicalWire, ...] = ()
    wire: TunnelWire | None = None
    senders: frozenset[str] = frozenset()
    platform: frozenset[str] | None = None


@dataclass(frozen=True)
class NetworkState:
    """What is."""

    external_ids: Mapping[str, str] = field(default_factory=dict)
    bridges: Mapping[str, BridgeFacts] = field(default_factory=dict)
    interfaces: Mapping[str, InterfaceFacts] = field(default_factory=dict)
    links: Mapping[str, LinkFacts] = field(default_factory=dict)
    routes: frozenset[Route] = frozenset()
    packet_filter: str = ""
    forwarding: bool = False
    forwarding_v6: bool = False
    blockers: tuple[str, ...] = ()


@dataclass(frozen=True)
class SetExternalIds:
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class EnsureBridge:
    name: str
    datapath: str
    fail_mode: str
    owner: str
    mac: str
    wire: str = ""


@dataclass(frozen=True)
class EnsurePort:
    port: InternalPort


@dataclass(frozen=True)
class AttachPort:
    """Make a device of the host a port."""

    bridge: str
    device: str
    owner: str


@dataclass(frozen=True)
class RemoveBridge:
    name: str


@dataclass(frozen=True)
class RemovePort:
    bridge: str
    name: str


@dataclass(frozen=True)
class SetLink:
    device: str
    mtu: int | None


@dataclass(frozen=True)
class AddAddress:
    device: str
    address: str


@dataclass(frozen=True)
class RemoveAddress:
    device: str
    address: str


@dataclass(frozen=True)
class PutRoute:
    route: Route


@dataclass(frozen=True)
class RemoveRoute:
    route: Route


@dataclass(frozen=True)
class ReplacePacketFilter:
    text: str


@dataclass(frozen=True)
class Forward:
    """Switch the kernel's forwarding on."""

    sysctl: str


SwitchAction = SetExternalIds | EnsureBridge | RemoveBridge | EnsurePort | AttachPort | RemovePort
KernelAction = SetLink | AddAddress | RemoveAddress | PutRoute | RemoveRoute | Forward
NetworkAction = SwitchAction | KernelAction | ReplacePacketFilter
