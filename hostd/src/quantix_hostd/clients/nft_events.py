"""The kernel's word that somebody changed our tables in the packet filter.

Whoever loads a firewall anew begins with `flush ruleset`, and our tables go with his: until they are back,
guests reach the host itself. Started by `assembly`, where hostd looks after the host's network. Source:
Linux 6.1, include/uapi/linux/netlink.h and netfilter/nf_tables.h, net/netfilter/nf_tables_api.c.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Iterator

import structlog

from quantix_api.filter_tables import TABLE

_NETLINK_NETFILTER = 12
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_GROUP_NFTABLES = 7
_SUBSYSTEM_NFTABLES = 10
# length, type (the subsystem above, what is told below), flags, sequence, port; family, version, resource
_HEADER, _GENERIC_BYTES = struct.Struct("=IHHII"), 4
_ATTRIBUTE = struct.Struct("=HH")
# NFTA_TABLE_NAME, NFTA_CHAIN_TABLE and NFTA_RULE_TABLE alike
_OF_TABLE = 1
_DATAGRAM_BYTES = 1 << 16
# one load of rules is many messages, and somebody may put in others each time that we put in ours
_PAUSE_S = 5.0

log = structlog.get_logger(__name__)


async def watch_our_tables(changed: Callable[[], None], pause_s: float = _PAUSE_S) -> None:
    """Call `changed` at each change of our tables, ours included, but once in `pause_s` seconds, until
    cancelled. What was missed, as too much came at once, counts for one. Ends where the kernel tells nothing:
    then a look every so often is all.
    """
    try:
        with open_events() as events:
            while True:
                if await _heard(events):
                    changed()
                    await asyncio.sleep(pause_s)
    except OSError as error:
        log.warning("changes of the packet filter are not told", error=str(error))


async def _heard(events: socket.socket) -> bool:
    try:
        return concerns_us(await asyncio.get_running_loop().sock_recv(events, _DATAGRAM_BYTES))
    except OSError as error:
        if error.errno != errno.ENOBUFS:
            raise
        return True


def open_events() -> socket.socket:
    """A socket that hears of each change in the packet filter of this network namespace."""
    events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _NETLINK_NETFILTER)
    events.bind((0, 0))
    events.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES)
    return events


def concerns_us(datagram: bytes) -> bool:
    """Whether any message in it is of a table with the name of ours. Pure."""
    return any(name == TABLE for name in _tables(datagram))


def _tables(datagram: bytes) -> Iterator[str]:
    at = 0
    while at + _HEADER.size + _GENERIC_BYTES + _ATTRIBUTE.size <= len(datagram):
        length, kind, *_ = _HEADER.unpack_from(datagram, at)
        first = at + _HEADER.size + _GENERIC_BYTES
        size, attribute = _ATTRIBUTE.unpack_from(datagram, first)
        if kind >> 8 == _SUBSYSTEM_NFTABLES and attribute == _OF_TABLE:
            yield datagram[first + _ATTRIBUTE.size : first + size].rstrip(b"\0").decode(errors="replace")
        # messages begin at multiples of four bytes
        at += max(length + 3 & ~3, _HEADER.size)
