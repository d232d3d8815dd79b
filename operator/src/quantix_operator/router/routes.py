"""Which of the routes that spec names a Router gets, and why not the others: pure.

Called by the controller. OVN drops a route without a path to its next hop, and says so in northd's log alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network

from quantix_api.facts import Fact, fact
from quantix_api.network import Route
from quantix_operator.router.plan import Legs

Prefix = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Routes:
    """Those that can be in force, and the first thing that keeps another from it."""

    kept: tuple[Route, ...]
    problem: Fact | None = None


def plan_routes(routes: Iterable[Route], legs: Legs) -> Routes:
    """Every route that OVN would follow, but for what is in force already: the way out's, and an earlier one
    to the same addresses in another spelling.
    """
    kept: list[Route] = []
    problems: list[Fact] = []
    networks = set(_networks(legs))
    outside = legs.outside.view.key if legs.outside is not None else ""
    taken: dict[Prefix, str] = dict.fromkeys(_ways_out(legs), "")
    for route in routes:
        destination = ip_network(route.destination, strict=False)
        hop = ip_address(route.next_hop)
        if destination in taken:
            other = taken[destination]
            same = {"other": other} if other else {"outside": outside}
            problems.append(_refused("SubnetOverlap", destination=route.destination, **same))
        elif hop.version != destination.version or all(hop not in network for network in networks):
            told = {"destination": route.destination, "next_hop": route.next_hop}
            problems.append(_refused("AddressOutsideSubnet", **told))
        else:
            taken[destination] = route.destination
            kept.append(route)
    return Routes(tuple(kept), next(iter(problems), None))


def _networks(legs: Legs) -> Iterator[Prefix]:
    """What the Router has an address in."""
    outside = legs.outside.addresses if legs.outside is not None else ()
    for addresses in (*(leg.addresses for leg in legs.inside), outside):
        yield from (ip_interface(address).network for address in addresses)


def _ways_out(legs: Legs) -> Iterator[Prefix]:
    """The default routes that it has from its way out."""
    for address in legs.outside.addresses if legs.outside is not None else ():
        yield ip_network("0.0.0.0/0" if ip_interface(address).version == 4 else "::/0")


def _refused(reason: str, **fields: str) -> Fact:
    return fact("Ready", "False", reason, **fields)
