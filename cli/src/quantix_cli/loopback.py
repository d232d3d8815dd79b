"""Whose connection it is that comes to a port of this machine's loopback: other people may be on it, too.

Source: proc(5), /proc/net/tcp of Linux 6.1. Used by `qx vm view`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_TABLE = Path("/proc/net/tcp")


def owner_of(port: int, peer_port: int) -> int | None:
    """The UID of the process at the other end of a connection from 127.0.0.1:`peer_port` to :`port`."""
    return find_owner(_TABLE.read_text().splitlines()[1:], port, peer_port)


def find_owner(lines: Iterable[str], port: int, peer_port: int) -> int | None:
    """The same, of the lines of the table. Pure."""
    for line in lines:
        fields = line.split()
        if len(fields) > 7 and (_port(fields[1]), _port(fields[2])) == (peer_port, port):
            return int(fields[7])
    return None


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
