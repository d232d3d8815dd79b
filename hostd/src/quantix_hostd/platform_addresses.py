"""Which addresses the platform has beside those of its hosts: of the API and OVN's databases, and of Ceph's
monitors. Pure.

Used by `host.network.known_platform`, which keeps guests from them, and by `cluster` for where images come
from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from quantix_hostd.clients.qemu_rbd import monitor_addresses

# ovsdb(7), "Active OVSDB Connections": ssl:HOST:PORT, several with commas between them
_CONNECTION = re.compile(r"(?:tcp|ssl):(\[[^\]]+\]|[^:,]+):\d+")


def monitors_of(pools: Iterable[Mapping[str, Any]]) -> frozenset[str]:
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
