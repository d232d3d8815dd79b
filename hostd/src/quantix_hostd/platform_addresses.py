"""Which addresses the platform has: those of hosts, of the API and OVN's databases, and of Ceph's monitors.
Pure.

Used by `host.network.known_platform`, which keeps guests from them, and by `cluster` for where images come
from. What is said of another host is that host's own word, and what an address is becomes part of the packet
filter's text: only what is one, written anew, gets there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

from quantix_hostd.clients.qemu_rbd import monitor_addresses

Manifest = Mapping[str, Any]

# ovsdb(7), "Active OVSDB Connections": ssl:HOST:PORT, several with commas between them
_CONNECTION = re.compile(r"(?:tcp|ssl):(\[[^\]]+\]|[^:,]+):\d+")
_WITH_PORT = re.compile(r"\[([^\]]+)\]:\d+|([^:]+):\d+")


def addresses_of_hosts(hosts: Iterable[Manifest]) -> frozenset[str]:
    """All that their objects say of where they are reached; a name counts for nothing."""
    told = (text for host in hosts for text in _told(host.get("status") or {}))
    return frozenset(filter(None, (address_in(_without_port(str(text))) for text in told)))


def _told(status: Manifest) -> Iterator[str]:
    yield from (status.get("addresses") or {}).values()
    yield from status.get("storageAddresses") or ()
    yield from (text.partition("/")[0] for text in (status.get("hostLeg") or {}).get("addresses") or ())


def monitors_of(pools: Iterable[Manifest]) -> frozenset[str]:
    """The addresses, or names, of the monitors of pools in Ceph."""
    said = (((pool.get("spec") or {}).get("rbd") or {}).get("monitors") or () for pool in pools)
    return frozenset(host for monitors in said for host, _ in monitor_addresses(monitors))


def doors_of(server: str, southbound: str) -> frozenset[str]:
    """The addresses, or names, where the API and OVN's southbound database are reached from here."""
    return frozenset(_doors(server, southbound))


def _doors(server: str, southbound: str) -> Iterator[str]:
    if host := urlsplit(server).hostname:
        yield host
    for found in _CONNECTION.finditer(southbound):
        yield found[1].strip("[]")


def address_in(text: str) -> str:
    """The address as the packet filter prints it; "" of what is none that packets are sent to beyond this
    host.
    """
    try:
        found = ip_address(text)
    except ValueError:
        return ""
    if isinstance(found, IPv6Address):
        # without what may stand behind a %
        found = found.ipv4_mapped or ip_address(found.packed)
    near = found.is_loopback or found.is_link_local or found.is_unspecified
    return "" if near or found.is_multicast or found.is_reserved else str(found)


def _without_port(text: str) -> str:
    found = _WITH_PORT.fullmatch(text)
    return (found[1] or found[2]) if found else text
