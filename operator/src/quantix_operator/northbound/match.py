"""OVN match expressions from typed parts: the only place that writes one.

Used by securitygroup, network, router and nics. The northbound database takes any text as a match, and a
wrong one makes every ovn-controller install nothing. So: no text from outside gets in but parsed addresses,
numbers and UUIDs; every alternative is parenthesized; nothing is negated across families (a comparison brings
its own `ip4` or `ip6` as a condition, so `!(ip4.src == A || ip6.src == B)` never matches), which is why each
match is for one family (ovn-sb(5), Logical_Flow match).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal
from uuid import UUID

Family = Literal[4, 6]
FAMILIES: tuple[Family, ...] = (4, 6)
Direction = Literal["to-lport", "from-lport"]
Protocol = Literal["TCP", "UDP", "ICMP", "Any"]

_NAME = re.compile(r"[A-Za-z_.][A-Za-z_.0-9]*\Z")


@dataclass(frozen=True)
class PortRange:
    """Ports from `first` to `last`, both included."""

    first: int
    last: int


@dataclass(frozen=True)
class Prefixes:
    """Peers by prefix, all of one family."""

    prefixes: tuple[IPv4Network | IPv6Network, ...]


@dataclass(frozen=True)
class AddressSetName:
    """Peers by the address set of this name, without the leading `$`."""

    name: str


Peer = Prefixes | AddressSetName | None


def parse_prefixes(cidrs: Iterable[str], family: Family) -> tuple[IPv4Network | IPv6Network, ...]:
    """The prefixes of one family, without doubles, in order."""
    prefixes = (ip_network(cidr, strict=False) for cidr in cidrs)
    return tuple(sorted({item for item in prefixes if item.version == family}, key=lambda item: str(item)))


def render_rule(
    direction: Direction,
    group: str,
    family: Family,
    protocol: Protocol,
    ports: Sequence[PortRange] = (),
    peer: Peer = None,
) -> str:
    """The match of one allowed kind of traffic of the members of a port group, for one family."""
    parts = [members(direction, group), f"ip{family}"]
    if peer is not None:
        parts.append(_peer(direction, family, peer))
    if protocol == "ICMP":
        parts.append(f"icmp{family}")
    elif protocol != "Any":
        name = protocol.lower()
        parts.append(name)
        if ports:
            parts.append(_ports(name, ports))
    return " && ".join(parts)


def members(direction: Direction, group: str) -> str:
    """The packets to (`to-lport`) or from (`from-lport`) the ports of a group."""
    return f"{_side(direction)} == @{_checked(group)}"


def of_port(direction: Direction, port: UUID) -> str:
    """The packets to (`to-lport`) or from (`from-lport`) the switch port of this name."""
    return f'{_side(direction)} == "{port}"'


def comes_as_it_is(port: UUID, prefixes: tuple[IPv4Network | IPv6Network, ...], family: Family) -> str:
    """The packets that come in by a router's port of this name for an address in `prefixes`, and that no NAT
    has led there: neither answers (with the errors about what was sent) nor what comes by a floating IP.

    What comes as it is was never tracked, where NAT alone tracks packets; and each of the other conditions
    brings `ct.trk`, also when it is negated.
    """
    there = _peer("from-lport", family, Prefixes(prefixes))
    return f'inport == "{port}" && {there} && (!ct.trk || (!ct.est && !ct.rel && !ct.dnat))'


def _side(direction: Direction) -> str:
    return "outport" if direction == "to-lport" else "inport"


def _peer(direction: Direction, family: Family, peer: Prefixes | AddressSetName) -> str:
    field = f"ip{family}.{'src' if direction == 'to-lport' else 'dst'}"
    if isinstance(peer, AddressSetName):
        return f"{field} == ${_checked(peer.name)}"
    if not peer.prefixes or any(prefix.version != family for prefix in peer.prefixes):
        raise ValueError(f"prefixes of one family are needed, not {peer.prefixes}")
    if len(peer.prefixes) == 1:
        return f"{field} == {peer.prefixes[0]}"
    return f"{field} == {{{', '.join(str(prefix) for prefix in peer.prefixes)}}}"


def _ports(protocol: str, ports: Sequence[PortRange]) -> str:
    alternatives = []
    singles = sorted({item.first for item in ports if item.first == item.last})
    if len(singles) == 1:
        alternatives.append(f"{protocol}.dst == {singles[0]:d}")
    elif singles:
        alternatives.append(f"{protocol}.dst == {{{', '.join(f'{port:d}' for port in singles)}}}")
    for item in sorted({(item.first, item.last) for item in ports if item.first != item.last}):
        alternatives.append(f"({protocol}.dst >= {item[0]:d} && {protocol}.dst <= {item[1]:d})")
    return f"({' || '.join(alternatives)})"


def _checked(name: str) -> str:
    if not _NAME.match(name):
        raise ValueError(f"{name!r} cannot name a port group or an address set")
    return name
