"""From which addresses images are fetched: never from a host of the cluster, its link, Ceph's monitors or
metadata services, unless an administrator says so. Pure.

Called by `clients.http_source` for each address that a name of a URL leads to, and by `cluster`, which reads
the administrator's ranges (docs/adr/0027). Whoever may create an Image must not read what only the host may.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from quantix_api.errors import PermanentError, TransientError
from quantix_api.messages import as_error
from quantix_api.resources import CLUSTER_CONFIG_MAP

ALLOWED_KEY, DENIED_KEY = "imageAddressesAllowed", "imageAddressesDenied"
"""Keys of ConfigMap `quantix-cluster`: ranges such as 10.0.0.0/8, separated by blanks or commas."""

# Instance metadata services outside the link-local ranges (EC2 over IPv6, Alibaba, Azure, Oracle)
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
)
# RFC 6052 and, for networks of one's own, RFC 8215
_NAT64 = tuple(ipaddress.IPv6Network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48"))
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class AddressRules:
    """What an administrator wants beyond the rules that always hold. `denied` counts before `allowed`, and
    that before `platform`, the addresses of the cluster's own servers: what is said of a connection to them
    would tell which of their ports are open.
    """

    allowed: tuple[IPNetwork, ...] = ()
    denied: tuple[IPNetwork, ...] = ()
    platform: frozenset[IPAddress] = frozenset()


def parse_rules(data: Mapping[str, str]) -> AddressRules:
    """The rules in a ConfigMap's data.

    Raises TransientError (AddressRefused) for what is no range: nothing is fetched until it is corrected.
    """
    return AddressRules(_ranges(data, ALLOWED_KEY), _ranges(data, DENIED_KEY))


def _ranges(data: Mapping[str, str], key: str) -> tuple[IPNetwork, ...]:
    found = []
    for text in data.get(key, "").replace(",", " ").split():
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError as error:
            about = {"key": key, "map": CLUSTER_CONFIG_MAP, "text": text[:60]}
            raise as_error(TransientError, "AddressRefused", **about) from error
    return tuple(found)


def refuse_address(
    host: str, address: IPAddress, rules: AddressRules, is_own: Callable[[IPAddress], bool]
) -> None:
    """Raise TransientError (AddressRefused) for an address that no image may come from: the name may lead
    elsewhere later, and an administrator may allow it.

    `is_own` tells the addresses of this host.
    """
    real = carried(address)
    if denied := next((network for network in rules.denied if real in network), None):
        raise as_error(TransientError, "AddressRefused", server=host, address=address, range=denied)
    if any(real in network for network in rules.allowed):
        return
    if _is_special(real) or real in _METADATA or real in rules.platform or is_own(real):
        raise as_error(TransientError, "AddressRefused", server=host, address=address)


def refuse_odd_host(host: str) -> None:
    """Raise PermanentError (AddressRefused) for a number that some programs read as an address, such as
    2130706433 or 0x7f.1.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # the last label tells a number from a name (WHATWG URL, "ends in a number")
        last = host.rstrip(".").rpartition(".")[2].lower()
        if last.isdigit() or (last.startswith("0x") and all(c in "0123456789abcdef" for c in last[2:])):
            raise as_error(PermanentError, "AddressRefused", odd=host[:60]) from None


def carried(address: IPAddress) -> IPAddress:
    """The IPv4 address that an IPv6 one stands for (mapped, compatible, 6to4, Teredo, NAT64), else itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    low = int(address) & 0xFFFFFFFF
    if any(address in network for network in _NAT64) or (address in _COMPATIBLE and low > 1):
        return ipaddress.IPv4Address(low)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)


def _is_special(address: IPAddress) -> bool:
    if address.version == 4 and (address in _THIS_NETWORK or address.is_reserved):
        return True
    return address.is_link_local or address.is_multicast or address.is_unspecified or address.is_loopback
