"""Which subnets the first networks get: the first of a list that nothing on this machine uses.

The Networks keep them from then on (design/network.md, section 8).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, ip_address, ip_network
from pathlib import Path

from quantix_api.errors import PermanentError

GUEST_SUBNETS = ("10.77.0.0/24", "172.27.77.0/24", "192.168.177.0/24", "100.77.77.0/24")
OUTSIDE_SUBNETS = ("10.78.0.0/24", "172.27.78.0/24", "192.168.178.0/24", "100.77.78.0/24")


def choose_subnet(candidates: Sequence[str], used: Iterable[IPv4Network]) -> str:
    """The first candidate that overlaps nothing in `used`. Raises PermanentError `NoFreeSubnet`."""
    taken = list(used)
    for candidate in candidates:
        if not any(IPv4Network(candidate).overlaps(network) for network in taken):
            return candidate
    raise PermanentError(
        "NoFreeSubnet",
        f"All of {', '.join(candidates)} overlap routes of this machine.",
        "declare the Networks default and outside in quantix-shared yourself, then make up again",
    )


def read_routes(text: str) -> list[IPv4Network]:
    """The destinations in the output of `ip -json -4 route show table all`, without the default route."""
    found = []
    for route in json.loads(text or "[]"):
        if route["dst"] != "default" and route.get("type") not in ("multicast", "broadcast"):
            network = ip_network(route["dst"], strict=False)
            if isinstance(network, IPv4Network) and not network.is_loopback and network.prefixlen:
                found.append(network)
    return found


def read_resolvers(text: str) -> list[IPv4Network]:
    """The IPv4 name servers of a resolv.conf(5), as networks of one address."""
    words = (line.split() for line in text.splitlines())
    servers = [parts[1] for parts in words if len(parts) > 1 and parts[0] == "nameserver"]
    plain = [ip_address(server.partition("%")[0]) for server in servers]
    return [IPv4Network(str(server)) for server in plain if server.version == 4 and not server.is_loopback]


def used_networks() -> list[IPv4Network]:
    """What this machine routes to or resolves names by."""
    argv = ["ip", "-json", "-4", "route", "show", "table", "all"]
    routes = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    resolvers = Path("/etc/resolv.conf")
    names = read_resolvers(resolvers.read_text()) if resolvers.exists() else []
    return [*read_routes(routes), *names]
