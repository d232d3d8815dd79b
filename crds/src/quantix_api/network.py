"""The kind Network: a logical switch, with addresses and names for the guests in it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from quantix_api.markers import (
    Doc,
    Entries,
    Fixed,
    Live,
    Range,
    Rule,
    Text,
    keyed,
    ordered,
    unchanged,
)
from quantix_api.model import AGE, READY, REASON, ApiModel, ApiObject, Column, Definition, Status
from quantix_api.resources import NETWORKS
from quantix_api.scalars import CIDR, IP, Count, DeviceName, LabelValue
from quantix_api.subnet_roles import effective_gateway

_ONE_OF_EACH = (
    "!has(self.subnets) || "
    "(self.subnets.filter(s, isCIDR(s.cidr) && cidr(s.cidr).ip().family() == 4).size() <= 1 "
    "&& self.subnets.filter(s, isCIDR(s.cidr) && cidr(s.cidr).ip().family() == 6).size() <= 1)"
)
DEFAULT_LEASE_SECONDS = 3600
# RFC 6890: this host, loopback, link-local, multicast and reserved. hostd reaches guests at their addresses
_OF_NO_GUEST = {
    4: ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"),
    6: ("::/8", "fe80::/10", "ff00::/8"),
}


def _apart_from(family: int) -> str:
    """CEL: whether self.cidr, of this family, shares no address with those that no guest can have."""
    overlaps = (
        f"cidr('{other}').containsCIDR(self.cidr) || cidr(self.cidr).containsCIDR('{other}')"
        for other in _OF_NO_GUEST[family]
    )
    return f"cidr(self.cidr).ip().family() != {family} || !({' || '.join(overlaps)})"


_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
# How many addresses an IPv4 prefix has, by the bits that are left of it: CEL has no powers
_IPV4_SIZES = f"[{', '.join(str(1 << bits) for bits in range(33))}]"


def _ipv4_number(path: str) -> str:
    """CEL: the IPv4 address at `path` as a number. CEL compares addresses for equality alone."""
    parts = (f"int({path}.split('.')[{place}]) * {256 ** (3 - place)}" for place in range(4))
    return f"({' + '.join(parts)})"


def _is_ipv4(path: str) -> str:
    return f"isIP({path}) && ip({path}).family() == 4"


def _is_end_of_its_subnet() -> str:
    """CEL: whether self.gateway is the first or the last address of self.cidr, both IPv4."""
    number, size = _ipv4_number("self.gateway"), f"{_IPV4_SIZES}[32 - cidr(self.cidr).prefixLength()]"
    return f"{number} % {size} == 0 || ({number} + 1) % {size} == 0"


class Route(ApiModel):
    """A way to addresses elsewhere."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!isCIDR(self.destination) || cidr(self.destination).masked() == cidr(self.destination)",
            "destination must begin with its first address: 10.0.0.0/8, and not 10.0.0.1/8",
        ),
        Rule(
            "!isCIDR(self.destination) || !isIP(self.nextHop) "
            "|| cidr(self.destination).ip().family() == ip(self.nextHop).family()",
            "nextHop must be of the same family as destination, both IPv4 or both IPv6",
        ),
    )

    destination: Annotated[CIDR, Live("Addresses that it is for, such as 10.9.0.0/16.")]
    next_hop: Annotated[IP, Live("Address of the router that they are sent to.")]


class AddressRange(ApiModel):
    """Addresses from first to last, both included."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!isIP(self.first) || !isIP(self.last) || ip(self.first).family() == ip(self.last).family()",
            "first and last must be of the same family, both IPv4 or both IPv6",
        ),
        Rule(
            f"!({_is_ipv4('self.first')}) || !({_is_ipv4('self.last')}) "
            f"|| {_ipv4_number('self.first')} <= {_ipv4_number('self.last')}",
            "last must not come before first",
        ),
    )

    first: Annotated[IP, Live("First address.")]
    last: Annotated[IP, Live("Last address.")]


class Physical(ApiModel):
    """A wire that the network is joined to."""

    name: Annotated[
        DeviceName,
        Fixed("Name of the wire in spec.physicalNetworks of the Hosts, or qx-local: every host's way out."),
    ]
    vlan: Annotated[int | None, Range(1, 4094), Fixed("VLAN on the wire. Absent: untagged.")] = None


class Subnet(ApiModel):
    """Addresses that the network gives out."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!isCIDR(self.cidr) || cidr(self.cidr).masked() == cidr(self.cidr)",
            "cidr must begin with the first address of the subnet: 10.0.0.0/24, and not 10.0.0.5/24",
        ),
        Rule(
            "!isCIDR(self.cidr) || !has(self.gateway) || !isIP(self.gateway) "
            "|| cidr(self.cidr).containsIP(self.gateway)",
            "gateway must be an address in cidr",
        ),
        Rule(
            "!isCIDR(self.cidr) "
            "|| cidr(self.cidr).prefixLength() <= (cidr(self.cidr).ip().family() == 4 ? 30 : 127)",
            "cidr must have room for a gateway and a guest: /30 at most, or /127 in IPv6",
        ),
        Rule(
            f"!isCIDR(self.cidr) || !has(self.gateway) || !({_is_ipv4('self.gateway')}) "
            "|| cidr(self.cidr).ip().family() != 4 || cidr(self.cidr).prefixLength() > 30 "
            f"|| !({_is_end_of_its_subnet()})",
            "gateway must be neither the first nor the last address of cidr, which are nobody's in IPv4",
        ),
        Rule(
            f"!isCIDR(self.cidr) || (({_apart_from(4)}) && ({_apart_from(6)}))",
            "cidr has loopback, link-local, multicast or reserved addresses; choose one such as 10.0.0.0/24",
        ),
    )

    cidr: Annotated[
        CIDR, Live("The subnet, such as 10.0.0.0/24. It cannot leave while ports have its addresses.")
    ]
    gateway: Annotated[IP | None, Live("Address of the router for guests. Absent: the first of cidr.")] = None
    dhcp: Annotated[
        Literal["Enabled", "Disabled"] | None,
        Live("Whether guests get addresses by DHCP. Absent: Enabled, but Disabled with physical."),
    ] = None
    exclude_ranges: Annotated[
        tuple[AddressRange, ...], ordered(), Live("Addresses that are never given out.")
    ] = ()
    lease_seconds: Annotated[
        int, Range(60, 604800), Live("How long a DHCP lease lasts, in seconds. Absent: 3600.")
    ] = DEFAULT_LEASE_SECONDS
    routes: Annotated[
        tuple[Route, ...], keyed("destination"), Live("Routes that guests are told besides the gateway.")
    ] = ()
    address_mode: Annotated[
        Literal["DHCP", "SLAAC"], Live("How guests get their IPv6 address. Absent: DHCP.")
    ] = "DHCP"

    @property
    def effective_gateway(self) -> str:
        """The gateway that counts (`subnet_roles.effective_gateway`)."""
        return effective_gateway(self.cidr, self.gateway)


class DNS(ApiModel):
    """Names for the guests."""

    domain: Annotated[
        str,
        Text(253, 1),
        Rule(
            f"self.matches('^{_LABEL}(\\\\.{_LABEL})*$')",
            "must be a domain name in small letters, such as corp.example",
        ),
        Live("Domain of the guests: a VM is HOSTNAME.NAMESPACE.DOMAIN."),
    ] = "quantix.internal"
    servers: Annotated[
        tuple[IP, ...], ordered(4), Live("Name servers that guests are told. Absent: those of the host.")
    ] = ()


class NetworkSpec(ApiModel):
    """What is wanted."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        unchanged("physical", message="physical cannot change: make a new network"),
        unchanged("ipv6", message="ipv6 cannot change: make a new network"),
        Rule(
            "!has(oldSelf.mtu) || has(self.mtu)",
            "mtu cannot be left out again: name the one that the network shall have",
        ),
        Rule(_ONE_OF_EACH, "a network has at most one IPv4 and one IPv6 subnet", ".subnets"),
    )

    physical: Annotated[
        Physical | None, Fixed("A wire that the network is joined to. Absent: it is an overlay of its own.")
    ] = None
    subnets: Annotated[
        tuple[Subnet, ...], keyed("cidr", at_most=2), Live("At most one IPv4 and one IPv6 subnet.")
    ] = ()
    ipv6: Annotated[
        Literal["Auto", "Disabled"],
        Fixed("Auto: an overlay without an IPv6 subnet gets a /64, shown in status.subnets."),
    ] = "Auto"
    dns: Annotated[DNS, Live("Names for the guests.")] = DNS()
    mtu: Annotated[
        int | None,
        Range(576, 9216),
        Live(
            "Largest packet in bytes; guests learn it with their next lease. "
            "Absent: the largest that fits, kept in status.mtu."
        ),
    ] = None
    multicast: Annotated[
        Literal["Flood", "Snooping"], Live("Snooping: multicast goes only to those who asked for it.")
    ] = "Flood"
    default: Annotated[
        bool, Live("true: what forms and qx offer; one of the namespace itself comes before a shared one.")
    ] = False
    allowed_namespaces: Annotated[
        dict[str, LabelValue] | None,
        Entries(),
        Live("Labels of the namespaces that may use a shared network. Absent: all may."),
    ] = None


class NetworkStatus(Status):
    """What is so."""

    mtu: Annotated[Count | None, Doc("Largest packet, in bytes.")] = None
    ports: Annotated[Count | None, Doc("How many ports it has.")] = None
    addresses_free: Annotated[Count | None, Doc("How many IPv4 addresses can still be given out.")] = None
    subnets: Annotated[
        tuple[CIDR, ...], ordered(4), Doc("Its subnets, also the one that was chosen for it.")
    ] = ()


class Network(ApiObject):
    """A network for VMs, with DHCP and DNS. Without `physical` it exists on all hosts at once."""

    DEFINITION: ClassVar[Definition] = Definition(
        NETWORKS,
        ("net",),
        (READY, Column("Subnet", ".status.subnets[0]"), REASON, AGE),
    )

    spec: Annotated[NetworkSpec, Live("What is wanted.")]
    status: NetworkStatus = NetworkStatus()
