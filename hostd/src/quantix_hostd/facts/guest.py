"""What the agent in a guest says of it, cut to size: the guest is a stranger, and any word may be false.

Made by the hypervisor's client, kept by `virtualmachine.guest_watch`, shown by `virtualmachine.guest_status`.
Nothing here decides about a guest: it is shown, and told apart from what the platform assigned. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

_MAX_HOSTNAME, _MAX_WORDS = 253, 128
_MAX_INTERFACES, _MAX_OF_INTERFACE = 64, 16
_MAX_ADDRESSES = 64


@dataclass(frozen=True)
class GuestAddress:
    """An address of the guest, and the MAC address of the interface that has it."""

    mac: str
    address: str


@dataclass(frozen=True)
class GuestReport:
    """One answer of the agent; a text that it did not give, or not in a form to be shown, is ""."""

    hostname: str = ""
    os: str = ""
    kernel: str = ""
    addresses: tuple[GuestAddress, ...] = ()


def guest_report(info: Mapping[str, object], interfaces: Mapping[str, object]) -> GuestReport:
    """From what libvirt hands on (virDomainGetGuestInfo, virDomainInterfaceAddresses; libvirt 9.0).

    Whatever is not of the form that it should have is passed over.
    """
    return GuestReport(
        hostname=shown(info.get("hostname"), _MAX_HOSTNAME),
        os=shown(info.get("os.pretty-name") or info.get("os.name"), _MAX_WORDS),
        kernel=shown(info.get("os.kernel-release"), _MAX_WORDS),
        addresses=_addresses(interfaces),
    )


def shown(text: object, length: int) -> str:
    """A guest's text as it may stand in status: one line, without characters that steer a terminal."""
    if not isinstance(text, str):
        return ""
    words = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * length]).split()
    return " ".join(words)[:length].rstrip()


def _addresses(interfaces: Mapping[str, object]) -> tuple[GuestAddress, ...]:
    """In an order of their own, so that a guest that lists them otherwise each time causes no write."""
    found: set[GuestAddress] = set()
    for interface in list(interfaces.values())[:_MAX_INTERFACES]:
        if isinstance(interface, Mapping):
            found |= set(_of_interface(interface))
    return tuple(sorted(found, key=_order)[:_MAX_ADDRESSES])


def _of_interface(interface: Mapping[str, object]) -> Iterable[GuestAddress]:
    mac, listed = interface.get("hwaddr"), interface.get("addrs")
    if not isinstance(mac, str) or not isinstance(listed, list):
        return
    for item in listed[:_MAX_OF_INTERFACE]:
        address = _reachable(item.get("addr")) if isinstance(item, Mapping) else None
        if address is not None:
            yield GuestAddress(mac.lower()[:17], address)


def _reachable(text: object) -> str | None:
    """An address that others may reach the guest by, in its usual form."""
    try:
        address = ip_address(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if address is None or address.is_loopback or address.is_link_local or address.is_multicast:
        return None
    if address.is_unspecified or getattr(address, "scope_id", None):
        return None
    return str(address)


def _order(item: GuestAddress) -> tuple[int, str, int]:
    address = ip_address(item.address)
    return address.version, item.mac, int(address)
