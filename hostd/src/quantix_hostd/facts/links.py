"""Network devices and routes of this host."""

from __future__ import annotations

from dataclasses import dataclass

HOST_LEG = "qxh0"
"""The host's own leg into the guests' networks."""


@dataclass(frozen=True)
class LinkFacts:
    """A network device; `addresses` are those with prefix length that somebody gave it (no link-local)."""

    up: bool
    mtu: int
    mac: str
    addresses: frozenset[str]


@dataclass(frozen=True, order=True)
class Route:
    """`gateway` need not be in a prefix of the device."""

    prefix: str
    gateway: str
    device: str


@dataclass(frozen=True)
class DefaultRoute:
    """Where packets to the outside go: the device and the address that they leave with."""

    device: str
    address: str
