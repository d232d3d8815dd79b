"""Which addresses are the platform's own: those of all hosts, and of the monitors of pools in Ceph. Pure.

Called by whoever keeps users and guests from them. Objects are read by themselves: there may be many, and
little of each is needed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class PlatformAddresses:
    """`names`: of servers that are given by name; what they lead to is the platform's, too."""

    addresses: frozenset[ipaddress.IPv4Address | ipaddress.IPv6Address] = frozenset()
    names: frozenset[str] = frozenset()


def platform_addresses(hosts: Iterable[Manifest], pools: Iterable[Manifest]) -> PlatformAddresses:
    """As Hosts and StoragePools say them."""
    addresses, names = set(), set()
    for place in (*_of_hosts(hosts), *_of_monitors(pools)):
        server = _server_of(place)
        try:
            addresses.add(ipaddress.ip_address(server))
        except ValueError:
            names.add(server)
    return PlatformAddresses(frozenset(addresses), frozenset(names - {""}))


def _of_hosts(hosts: Iterable[Manifest]) -> Iterator[str]:
    for host in hosts:
        status = host.get("status") or {}
        yield from (status.get("addresses") or {}).values()
        yield from status.get("storageAddresses") or ()
        for leg in (status.get("hostLeg") or {}).get("addresses") or ():
            yield leg.partition("/")[0]


def _of_monitors(pools: Iterable[Manifest]) -> Iterator[str]:
    for pool in pools:
        yield from ((pool.get("spec") or {}).get("rbd") or {}).get("monitors") or ()


def _server_of(place: str) -> str:
    """Without the port: `10.1.0.1`, `10.1.0.1:6789`, `fd00::1`, `[fd00::1]:6789`, `mon.example:6789`."""
    server, _, port = place.rpartition(":")
    if not port.isdigit() or (":" in server and not server.endswith("]")):
        server = place
    return server.strip("[]")
