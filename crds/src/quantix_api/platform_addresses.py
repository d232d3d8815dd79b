"""The addresses of all hosts, as their objects say them, and as the operator hands them on to every host in
one object: else each would read the objects of all. Pure.

What is said of another host is that host's own word, and what an address is becomes part of a packet filter's
text: only what is one, written anew, gets there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any

Manifest = Mapping[str, Any]

_HOSTS = "hosts"
_WITH_PORT = re.compile(r"\[([^\]]+)\]:\d+|([^:]+):\d+")


def addresses_of_hosts(hosts: Iterable[Manifest]) -> frozenset[str]:
    """All that their objects say of where they are reached; a name counts for nothing."""
    told = (text for host in hosts for text in told_of_itself(host))
    return frozenset(filter(None, (address_in(_without_port(text)) for text in told)))


def told_of_itself(host: Manifest) -> list[str]:
    """What a Host says of where it is reached, as it says it."""
    return [str(text) for text in _told(host.get("status") or {})]


def handed_on(addresses: Iterable[str]) -> dict[str, str]:
    """The data of the ConfigMap."""
    return {_HOSTS: "\n".join(sorted(addresses))}


def handed(config_map: Manifest) -> frozenset[str]:
    """The addresses in the ConfigMap."""
    lines = str((config_map.get("data") or {}).get(_HOSTS) or "").split("\n")
    return frozenset(filter(None, map(address_in, lines)))


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


def _told(status: Manifest) -> Iterator[Any]:
    yield from (status.get("addresses") or {}).values()
    yield from status.get("storageAddresses") or ()
    yield from (text.partition("/")[0] for text in (status.get("hostLeg") or {}).get("addresses") or ())


def _without_port(text: str) -> str:
    found = _WITH_PORT.fullmatch(text)
    return (found[1] or found[2]) if found else text
