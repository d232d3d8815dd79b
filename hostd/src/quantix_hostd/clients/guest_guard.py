"""What no guest may say to others: that it is a router. Pure: which flows keep it from that.

Used by `clients.ovs_ports`. OVN lets Router Advertisements pass above every ACL (docs/adr/0013), so hostd has
flows for each tap in the first table of the integration bridge, before all of OVN's. ovn-controller leaves
flows that it does not know alone, but clears the table when it starts: hostd looks again every few seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from quantix_api import identity

TABLE = 0
PRIORITY = 30000
"""Above all that ovn-controller has in table 0 (ovn-architecture(7): at most a few hundred)."""
COOKIES = 0x7178001300000000
"""The cookie of a flow is this and the place of its match in `LIES`; OVN's have at most 32 bits. A match that
changes gets a new place, so that the flow of an older hostd is known for what it is."""
COOKIES_MASK = 0xFFFFFFFF00000000

_PLACE = 0xFFFFFFFF
_FLOW = re.compile(r"cookie=(0x[0-9a-f]+),.*[ ,]in_port=(\d+)[ ,]")
# EUI-64 (RFC 4291, appendix A) of any MAC that a router's port of ours can have
_ROUTERS = f"fe80::{(identity.MAC_ROUTER_PORT ^ 0b10) << 8:x}:ff:fe00:0/ffff:ffff:ffff:ffff:ff00:ff:ff00:0"
LIES = (
    "icmp6,icmp_type=134",
    "icmp6,icmp_type=137",
    f"ipv6,ipv6_src={_ROUTERS}",
    f"icmp6,icmp_type=136,icmp_code=0,nd_target={_ROUTERS}",
)
"""Router Advertisements, Redirects, and whatever is said as, or about, the link-local address of a router
(RFC 4861, sections 4.2, 4.5 and 7.2): port security has to allow guests all of fe80::/64."""

Guarded = frozenset[tuple[int, int]]
"""OpenFlow numbers of ports, each with the place of a lie that does not come in there."""


def parse_guarded(dump: str) -> Guarded:
    """Our flows in what `ovs-ofctl --no-stats --no-names dump-flows` prints (ovs-ofctl(8))."""
    found = ((int(cookie, 16), int(port)) for cookie, port in _FLOW.findall(dump))
    return frozenset((port, cookie & _PLACE) for cookie, port in found if cookie & COOKIES_MASK == COOKIES)


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


def plan_guard(ports: Iterable[int], found: Guarded) -> GuardPlan:
    """What leaves exactly `ports` guarded; no lines when they are."""
    wanted = frozenset((port, place) for port in ports for place in range(len(LIES)))
    stale = (
        f"delete cookie={COOKIES + place:#x}/-1,table={TABLE},in_port={port}"
        for port, place in sorted(found - wanted)
    )
    missing = (
        f"add cookie={COOKIES + place:#x},table={TABLE},priority={PRIORITY},in_port={port},{LIES[place]},"
        "actions=drop"
        for port, place in sorted(wanted - found)
    )
    return GuardPlan(tuple(stale), tuple(missing))
