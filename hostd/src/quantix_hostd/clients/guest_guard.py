"""What no guest may say to others: that it is a router, or another guest. Pure: which flows hinder that.

Used by `clients.ovs_ports`. OVN lets Router Advertisements pass above every ACL (docs/adr/0013), so hostd has
flows for each tap in the first table of the integration bridge, before all of OVN's. ovn-controller leaves
flows that it does not know alone, but clears the table when it starts: hostd looks again every few seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address
from zlib import crc32

from quantix_api import identity

TABLE = 0
PRIORITY = 30000
"""Above all that ovn-controller has in table 0 (ovn-architecture(7): at most a few hundred)."""
COOKIES = 0x7178001300000000
"""The cookie of a flow is this and its mark; OVN's have at most 32 bits. The mark is the place of its match,
and of one that is about a MAC a sum of that, too. A match that changes gets a new place, so that the flow of
an older hostd is known for what it is."""
COOKIES_MASK = 0xFFFFFFFF00000000

_MARK, _SUM = 0xFFFFFFFF, 0xFFFFFF
_FLOW = re.compile(r"cookie=(0x[0-9a-f]+),.*[ ,]in_port=(\d+)[ ,]")


def _eui64(first: int) -> str:
    """EUI-64 (RFC 4291, appendix A) of any MAC of ours that begins with this byte."""
    return f"fe80::{(first ^ 0b10) << 8:x}:ff:fe00:0/ffff:ffff:ffff:ffff:ff00:ff:ff00:0"


_ROUTERS, _GUESTS = _eui64(identity.MAC_ROUTER_PORT), _eui64(identity.MAC_VM_NIC)
_CLAIMS = ("ipv6,ipv6_src={}", "icmp6,icmp_type=136,icmp_code=0,nd_target={}")
"""What is said as an address, and what about it to others (RFC 4861, section 7.2)."""
LIES = (
    "icmp6,icmp_type=134",
    "icmp6,icmp_type=137",
    *(claim.format(_ROUTERS) for claim in _CLAIMS),
    "icmp6,icmp_type=130",
    "ip,nw_proto=2,nw_dst=224.0.0.1",
)
"""Router Advertisements, Redirects, and claims to the link-local address of a router (RFC 4861, sections 4.2
and 4.5): port security has to allow guests all of fe80::/64. And who hears which groups, which a router asks
(MLD, RFC 3810; IGMP, RFC 3376, whose types OpenFlow does not tell apart: what goes to all is a question)."""

Guarded = frozenset[tuple[int, int]]
"""OpenFlow numbers of ports, each with the mark of one of our flows there."""


@dataclass(frozen=True)
class GuardedPort:
    """The bridge's number of a guest's tap, and the guest's MAC, "" where it is not known."""

    number: int
    mac: str = ""


def parse_guarded(dump: str) -> Guarded:
    """Our flows in what `ovs-ofctl --no-stats --no-names dump-flows` prints (ovs-ofctl(8))."""
    found = ((int(cookie, 16), int(port)) for cookie, port in _FLOW.findall(dump))
    return frozenset((port, cookie & _MARK) for cookie, port in found if cookie & COOKIES_MASK == COOKIES)


@dataclass(frozen=True)
class GuardPlan:
    """Lines for `ovs-ofctl add-flows`: of flows whose port has gone or may be a router, and of those that are
    missing. Only for want of the latter could a guest have posed as a router.
    """

    stale: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        return (*self.stale, *self.missing)


def plan_guard(ports: Iterable[GuardedPort], found: Guarded) -> GuardPlan:
    """What leaves exactly `ports` guarded; no lines when they are."""
    wanted = {(port.number, mark): flow for port in ports for mark, flow in flows_of(port.mac).items()}
    stale = (
        f"delete cookie={COOKIES + mark:#x}/-1,table={TABLE},in_port={number}"
        for number, mark in sorted(found - wanted.keys())
    )
    missing = (
        f"add cookie={COOKIES + mark:#x},table={TABLE},in_port={number},{wanted[number, mark]}"
        for number, mark in sorted(wanted.keys() - found)
    )
    return GuardPlan(tuple(stale), tuple(missing))


def flows_of(mac: str) -> dict[int, str]:
    """Of a tap, by their marks: priority, match and actions. With a MAC it makes no claim either to an
    address that follows from the MAC of another guest.
    """
    flows = {place: f"priority={PRIORITY},{lie},actions=drop" for place, lie in enumerate(LIES)}
    for bit, claim in enumerate(_CLAIMS if mac else ()):
        # its own was looked at: so says a bit of a register that OVN's flow for the port writes anew
        unseen, place = f"reg13=0/{1 << bit:#x}", len(LIES) + 2 * bit
        flows[place] = f"priority={PRIORITY},{claim.format(_GUESTS)},{unseen},actions=drop"
        seen = f"load:1->NXM_NX_REG13[{bit}],resubmit(,{TABLE})"
        mark = place + 1 | (crc32(mac.encode()) & _SUM) << 8
        flows[mark] = f"priority={PRIORITY + 1},{claim.format(link_local(mac))},{unseen},actions={seen}"
    return flows


def link_local(mac: str) -> IPv6Address:
    """The address that follows from a MAC (RFC 4291, appendix A)."""
    first, *rest = bytes.fromhex(mac.replace(":", ""))
    eui64 = bytes((first ^ 0b10, *rest[:2], 0xFF, 0xFE, *rest[2:]))
    return IPv6Address(b"\xfe\x80" + bytes(6) + eui64)
