"""The addresses that this host cannot do without: where hostd serves, and from where it reaches the API.

Used by `host.network`, which takes no interface that has one of them, and asks for the addresses of names.
"""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

from quantix_hostd.clients.netlink import NetlinkClient

_RESOLVE_S = 2.0


async def own_addresses(netlink: NetlinkClient, serving: str, server: str) -> frozenset[str]:
    """`serving` is hostd's address, `server` the API server's URL."""
    name = urlsplit(server).hostname or ""
    sources = [await netlink.source_towards(address) for address in await resolved(name)]
    return frozenset({serving, *sources} - {""})


async def resolved(name: str) -> list[str]:
    """The addresses of a name; none while nobody can tell them."""
    try:
        async with asyncio.timeout(_RESOLVE_S):
            found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError):
        return []
    return sorted({str(entry[4][0]) for entry in found})
