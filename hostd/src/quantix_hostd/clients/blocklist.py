"""Clients of a Ceph cluster by what it calls them, and how they are shut out of it.

Used by whoever has opened a connection. Blocks, and raises what librados does.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any

from quantix_hostd.clients.rbd_calls import asked

# ten years: an entry that ends lets a write in that waits behind it
_FOR_GOOD_S = 315_360_000.0
# 10.1.0.5:0/2718, [fd00::5]:0/2718, each maybe after v1:, v2: or any:, and several in brackets (msg_types.cc)
_CLIENT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[0-9]+(?:\.[0-9]+){3}):[0-9]+/[0-9]+")


def shut_out(cluster: Any, clients: Iterable[str]) -> None:
    """Let no write of these arrive any more. An entry names one client of one process (docs.ceph.com,
    "Blocklist"), and is never taken back.
    """
    named = list(clients)
    for client in named:
        asked(cluster, "osd blocklist", blocklistop="add", addr=client, expire=_FOR_GOOD_S)
    if named:
        # what is asked over this connection from now on makes an OSD know it first
        cluster.wait_for_latest_osdmap()


def hosts_of(clients: str) -> frozenset[str]:
    """The addresses of hosts in what Ceph calls its clients by."""
    return frozenset(str(ipaddress.ip_address(found[1].strip("[]"))) for found in _CLIENT.finditer(clients))


def clients_in(addresses: str) -> frozenset[str]:
    """The clients that are named there, each once."""
    return frozenset(found[0] for found in _CLIENT.finditer(addresses))
