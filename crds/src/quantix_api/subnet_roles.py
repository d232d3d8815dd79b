"""What an address of a subnet is for, where it is for no guest. Pure, and light: `qx` reads it, too."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from quantix_api.message_table_phrases import (
    ANYCAST_ADDRESS,
    BROADCAST_ADDRESS,
    EXCLUDED_ADDRESS,
    GATEWAY_ADDRESS,
    NETWORK_ADDRESS,
)


def effective_gateway(cidr: str, gateway: str | None) -> str:
    """The gateway that counts: the first address of `cidr` where nothing is said, which of a prefix of one or
    two addresses is the prefix's own.
    """
    if gateway is not None:
        return gateway
    prefix = ip_network(cidr, strict=False)
    return str(prefix.network_address + (1 if prefix.num_addresses > 2 else 0))


def is_within(address: str, cidr: str) -> bool:
    """Whether the subnet has it; one of the other family it has not."""
    return ip_address(address) in ip_network(cidr, strict=False)


def role_of(address: str, cidr: str, gateway: str, excluded: Iterable[tuple[str, str]] = ()) -> str:
    """What an address of the subnet is, in the words of a message, where no guest can have it; else "".
    `excluded`: first and last address of the ranges that are never given out.
    """
    asked, prefix = ip_address(address), ip_network(cidr, strict=False)
    if asked == ip_address(gateway):
        return GATEWAY_ADDRESS
    # of a prefix of one or two addresses each is for somebody (RFC 3021, RFC 6164)
    if prefix.prefixlen < prefix.max_prefixlen - 1:
        if asked == prefix.network_address:
            return NETWORK_ADDRESS if prefix.version == 4 else ANYCAST_ADDRESS
        if asked == prefix.broadcast_address and prefix.version == 4:
            return BROADCAST_ADDRESS
    return EXCLUDED_ADDRESS if any(_is_between(asked, *ends) for ends in excluded) else ""


def _is_between(asked: IPv4Address | IPv6Address, first: str, last: str) -> bool:
    low, high = ip_address(first), ip_address(last)
    if not asked.version == low.version == high.version:
        return False
    least, most = sorted((int(low), int(high)))
    return least <= int(asked) <= most
