"""The name servers that this machine itself asks, for guests of Networks that name none.

Read once by `networking`. A stub of this machine's own (127.0.0.53) is no use to a guest: systemd-resolved
keeps the real ones in a file of its own (systemd-resolved.service(8), /run/systemd/resolve/resolv.conf).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

PLACES = (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))
_MOST = 4


def read_resolvers(places: Iterable[Path] = PLACES) -> tuple[str, ...]:
    """The servers of the first file that names any that a guest can reach; none is fine."""
    for place in places:
        try:
            text = place.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        servers = parse_resolvers(text)
        if servers:
            return servers
    return ()


def parse_resolvers(text: str) -> tuple[str, ...]:
    """The servers of a resolv.conf(5) that are not of this machine or link alone."""
    servers: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        try:
            address = ip_address(words[1])
        except ValueError:
            continue
        if not (address.is_loopback or address.is_link_local or str(address) in servers):
            servers.append(str(address))
    return tuple(servers[:_MOST])
