"""Network devices, addresses and routes of this host, by iproute2.

Used by `host.network` and the inventory. Routes of ours carry a protocol number of their own: no other
route is ever changed or removed.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from typing import Any

from quantix_hostd.clients.command import failed, run
from quantix_hostd.facts.links import DefaultRoute, LinkFacts, Route

# rtnetlink(7): numbers above 191 are free; shown by `ip route` as "proto 207"
_OUR_PROTOCOL = "207"
# ESRCH and EADDRNOTAVAIL in iproute2's words
_GONE = ("No such process", "Cannot assign requested address")


class NetlinkClient:
    """`namespace` is the name of a network namespace (None: our own)."""

    def __init__(self, namespace: str | None = None) -> None:
        self._namespace = namespace
        self._ip = ["ip"] if namespace is None else ["ip", "-n", namespace]

    async def links(self) -> Mapping[str, LinkFacts]:
        rows = await self._json("addr", "show")
        return {
            row["ifname"]: LinkFacts(
                up="UP" in row.get("flags", []),
                mtu=int(row["mtu"]),
                mac=str(row.get("address", "")),
                addresses=frozenset(_given_addresses(row)),
            )
            for row in rows
            if row.get("ifname")
        }

    async def our_routes(self) -> frozenset[Route]:
        rows = [
            row
            for family in ("-4", "-6")
            for row in await self._json(family, "route", "show", "proto", _OUR_PROTOCOL)
        ]
        return frozenset(Route(_prefix(row), str(row.get("gateway", "")), str(row["dev"])) for row in rows)

    async def default_route(self) -> DefaultRoute | None:
        """Of IPv4; of IPv6 when the host has no other; None when it has none."""
        for family, target in (("-4", "192.0.2.1"), ("-6", "2001:db8::1")):
            if not await self._json(family, "route", "show", "default"):
                continue
            found = await self._json(family, "route", "get", target)
            if found and found[0].get("prefsrc"):
                return DefaultRoute(str(found[0]["dev"]), str(found[0]["prefsrc"]))
        return None

    async def source_towards(self, target: str) -> str:
        """The address with which packets to this one leave; "" when nothing leads there."""
        result = await run(*self._ip, "-j", "route", "get", target, check=False)
        rows = json.loads(result.stdout) if result.code == 0 and result.stdout.strip() else []
        return str(rows[0].get("prefsrc", "")) if rows else ""

    async def reachable_address(self, listening: str) -> str:
        """The address under which others reach what listens on `listening`, which may be all (0.0.0.0,
        ::).
        """
        if not ipaddress.ip_address(listening).is_unspecified:
            return listening
        default = await self.default_route()
        return default.address if default else "127.0.0.1"

    async def set_link(self, device: str, *, mtu: int | None = None) -> None:
        """Switch the device on, with this MTU if one is given."""
        size = [] if mtu is None else ["mtu", str(mtu)]
        await run(*self._ip, "link", "set", device, *size, "up")

    async def add_address(self, device: str, address: str) -> None:
        """`address` with its prefix length. IPv6 is usable at once (no duplicate address detection)."""
        options = ["nodad"] if ":" in address else []
        await run(*self._ip, "addr", "replace", address, "dev", device, *options)

    async def remove_address(self, device: str, address: str) -> None:
        await self._remove("addr", "del", address, "dev", device)

    async def put_route(self, route: Route) -> None:
        family = "-6" if ":" in route.prefix else "-4"
        path = ["via", route.gateway, "dev", route.device, "onlink", "proto", _OUR_PROTOCOL]
        await run(*self._ip, family, "route", "replace", route.prefix, *path)

    async def remove_route(self, route: Route) -> None:
        family = "-6" if ":" in route.prefix else "-4"
        where = ["dev", route.device, "proto", _OUR_PROTOCOL]
        await self._remove(family, "route", "del", route.prefix, *where)

    async def sysctl(self, name: str) -> str:
        result = await run(*self._inside(), "sysctl", "-n", name)
        return result.stdout.strip()

    async def set_sysctl(self, name: str, value: str) -> None:
        await run(*self._inside(), "sysctl", "-q", "-w", f"{name}={value}")

    async def _remove(self, *arguments: str) -> None:
        """The kernel removes routes with their address by itself: what is gone already is no failure."""
        argv = [*self._ip, *arguments]
        result = await run(*argv, check=False)
        if result.code != 0 and not any(words in result.stderr for words in _GONE):
            raise failed(argv, result)

    def _inside(self) -> list[str]:
        return [] if self._namespace is None else ["ip", "netns", "exec", self._namespace]

    async def _json(self, *arguments: str) -> list[dict[str, Any]]:
        result = await run(*self._ip, "-j", *arguments)
        return list(json.loads(result.stdout)) if result.stdout.strip() else []


def _given_addresses(row: Mapping[str, Any]) -> list[str]:
    return [
        f"{info['local']}/{info['prefixlen']}"
        for info in row.get("addr_info", [])
        if "local" in info and not ipaddress.ip_address(info["local"]).is_link_local
    ]


def _prefix(row: Mapping[str, Any]) -> str:
    """iproute2 leaves the length of a host route out."""
    return str(ipaddress.ip_network(str(row["dst"])))
