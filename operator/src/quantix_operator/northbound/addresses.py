"""Which address a port gets: pure functions of the subnet and of what is taken.

Used by network, router and nics. OVN's own dynamic addresses are not used: they report no exhaustion, reserve
nothing before the port exists and leave no choice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from uuid import UUID

Address = IPv4Address | IPv6Address
Prefix = IPv4Network | IPv6Network

HOST_LEG_SUBNET = 0xFFFF
"""The /64 of the cluster's /48 that belongs to the hosts' own legs."""

_EUI64_PREFIX_LENGTH = 64


@dataclass(frozen=True)
class Range:
    """Addresses that are never given out, both ends included."""

    first: int
    last: int

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last


@dataclass(frozen=True)
class Pool:
    """The addresses of a subnet that may be given out; `gateway` is never one of them."""

    prefix: Prefix
    gateway: Address
    excluded: tuple[Range, ...] = ()

    @property
    def bounds(self) -> Range:
        """The first and the last address that a guest can have: without the network's and the broadcast's."""
        first, last = int(self.prefix.network_address), int(self.prefix.broadcast_address)
        if self.prefix.prefixlen >= self.prefix.max_prefixlen - 1:
            return Range(first, last)
        # IPv6 has no broadcast, but the subnet-router anycast address is the first (RFC 4291, 2.6.1)
        return Range(first + 1, last - 1 if self.prefix.version == 4 else last)

    def reserved(self, number: int) -> bool:
        """Whether an address is inside the subnet but not for guests."""
        return (
            number not in self.bounds
            or number == int(self.gateway)
            or any(number in item for item in self.excluded)
        )

    @property
    def kept_back(self) -> tuple[Range, ...]:
        """The addresses that are excluded, and the gateway's."""
        return (*self.excluded, Range(int(self.gateway), int(self.gateway)))

    def without(self, ranges: Iterable[Range]) -> Pool:
        """The same, but for what others keep back."""
        return replace(self, excluded=(*self.excluded, *ranges))

    @property
    def size(self) -> int:
        """How many addresses there are to give out."""
        bounds = self.bounds
        blocked = _merged(
            Range(max(item.first, bounds.first), min(item.last, bounds.last)) for item in self.excluded
        )
        count = bounds.last - bounds.first + 1 - sum(item.last - item.first + 1 for item in blocked)
        if int(self.gateway) in bounds:
            count -= not any(int(self.gateway) in item for item in blocked)
        return max(0, count)


def make_pool(cidr: str, gateway: str, excluded: Iterable[tuple[str, str]] = ()) -> Pool:
    """The pool of a subnet as the API describes it; of a range that names its last address first, too, which
    the API refuses in IPv4 alone.
    """
    ends = ((ip_address(low), ip_address(high)) for low, high in excluded)
    ranges = (sorted((int(low), int(high))) for low, high in ends if low.version == high.version)
    return Pool(ip_network(cidr, strict=False), ip_address(gateway), tuple(Range(*found) for found in ranges))


def allocate(pool: Pool, taken: Container[str], owner: str, key: str) -> Address | None:
    """The address for the port `key` of `owner`: from a place that depends on both, the next free one.

    The same question gets the same answer after a crash, and a freed address is rarely reused at once (stale
    ARP and DNS in clients). None when the subnet is exhausted. `taken` holds addresses in text form.
    """
    bounds = pool.bounds
    size = bounds.last - bounds.first + 1
    digest = hashlib.sha256(f"{owner}/{key}".encode()).digest()
    start = int.from_bytes(digest[:8], "big") % size
    offset = 0
    while offset < size:
        number = bounds.first + (start + offset) % size
        blocked = next((item for item in pool.excluded if number in item), None)
        if blocked is not None:
            # From the end of the excluded range, or of the subnet, on
            offset += min(blocked.last, bounds.last) - number + 1
            continue
        address = pool.prefix.network_address + (number - int(pool.prefix.network_address))
        if not pool.reserved(number) and str(address) not in taken:
            return address
        offset += 1
    return None


def cluster_prefix(cluster_uid: str) -> IPv6Network:
    """The cluster's own /48 of unique local addresses: fd and 40 bits of its UID (RFC 4193)."""
    digest = hashlib.sha256(f"{UUID(cluster_uid)}/ula".encode()).digest()
    return IPv6Network((int.from_bytes(b"\xfd" + digest[:5], "big") << 80, 48))


def local_subnet(cluster_uid: str, number: int) -> IPv6Network:
    """The /64 with this number (0–65535) of the cluster's /48."""
    whole = cluster_prefix(cluster_uid)
    return IPv6Network((int(whole.network_address) | number << 64, 64))


def choose_local_subnet(cluster_uid: str, network_uid: str, taken: Container[str]) -> IPv6Network:
    """A free /64 for a network, from a place that depends on it. Raises ValueError when all are taken."""
    digest = hashlib.sha256(network_uid.encode()).digest()
    start = int.from_bytes(digest[:2], "big")
    for offset in range(HOST_LEG_SUBNET):
        # 0 would read as the /48 itself, and the last one is the hosts'
        number = 1 + (start + offset) % (HOST_LEG_SUBNET - 1)
        subnet = local_subnet(cluster_uid, number)
        if str(subnet) not in taken:
            return subnet
    raise ValueError("all 65534 local subnets are taken")


def eui64(prefix: IPv6Network, mac: str) -> IPv6Address:
    """The address that a MAC has in a /64 (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 0b10, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    return prefix.network_address + int.from_bytes(identifier, "big")


def automatic_v6(pool: Pool, mac: str, taken: Container[str], owner: str, key: str) -> Address | None:
    """EUI-64 in a /64; in any other subnet, or when that is taken, the next free one."""
    if isinstance(pool.prefix, IPv6Network) and pool.prefix.prefixlen == _EUI64_PREFIX_LENGTH:
        address = eui64(pool.prefix, mac)
        if str(address) not in taken and not pool.reserved(int(address)):
            return address
    return allocate(pool, taken, owner, key)


def _merged(ranges: Iterable[Range]) -> list[Range]:
    merged: list[Range] = []
    for item in sorted((item for item in ranges if item.first <= item.last), key=lambda item: item.first):
        if merged and item.first <= merged[-1].last + 1:
            merged[-1] = Range(merged[-1].first, max(merged[-1].last, item.last))
        else:
            merged.append(item)
    return merged
