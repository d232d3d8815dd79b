"""Addresses that a NIC asks for by name: whether its network gives them, and who has them. Pure.

Used by `addressing`, which reads what is judged here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from quantix_api.messages import Message, render
from quantix_api.references import resolve_key
from quantix_api.subnet_roles import effective_gateway, is_within, role_of
from quantix_cli.nouns import Manifest, look

_PATH = "--network NETWORK,address=ADDRESS"


@dataclass(frozen=True)
class AddressWish:
    """One address of a NIC. `network` as the spec names it, `key` as namespace/name."""

    nic: str
    network: str
    key: str
    address: str


def wishes(namespace: str, nics: Sequence[Manifest], before: Sequence[Manifest] = ()) -> list[AddressWish]:
    """What is asked for and was not `before`; words that are no address are left to the API."""
    known = {(nic["name"], nic.get("network"), address) for nic in before for address in _addresses_of(nic)}
    return [
        AddressWish(nic["name"], nic["network"], resolve_key(namespace, nic["network"]), address)
        for nic in nics
        for address in _addresses_of(nic)
        if (nic["name"], nic.get("network"), address) not in known
    ]


def is_address(word: str) -> bool:
    """Words that are none are left to the API."""
    try:
        ip_address(word)
    except ValueError:
        return False
    return True


def not_given(wish: AddressWish, network: Manifest, path: str = _PATH) -> Message | None:
    """Why the network gives that address to nobody; None where it may. `path`: where the command has it."""
    subnets = _subnets(network)
    if ip_address(wish.address).version == 6 and _is_without_its_own(network, subnets):
        return None
    said = {"address": wish.address, "network": wish.network, "path": path}
    subnet = next((one for one in subnets if is_within(wish.address, one["cidr"])), None)
    if subnet is None:
        cidrs = ", ".join(str(ip_network(one["cidr"], strict=False)) for one in subnets)
        return render("AddressOutsideSubnet", subnets=cidrs or "no subnet", **said)
    gateway = effective_gateway(subnet["cidr"], subnet.get("gateway"))
    excluded = [(one["first"], one["last"]) for one in subnet.get("excludeRanges", [])]
    what = role_of(wish.address, subnet["cidr"], gateway, excluded)
    return render("AddressReserved", what=what, **said) if what else None


def in_use(wish: AddressWish, user: str) -> Message:
    """That somebody has it."""
    return render("AddressInUse", address=wish.address, network=wish.network, user=user, path=_PATH)


def has(vm: Manifest, wish: AddressWish, network_uid: str) -> bool:
    """Whether a NIC of `vm` asks for the address in that network, or was given it there."""
    return any(_holders(vm, look(vm, "spec.nics", []), wish, network_uid))


def holder_beside(vm: Manifest, nics: Sequence[Manifest], wish: AddressWish, network_uid: str) -> str:
    """The other NIC of `vm` that has it once `nics` are its NICs; "" for none."""
    others = {nic["name"] for nic in nics} - {wish.nic}
    return next((name for name in _holders(vm, nics, wish, network_uid) if name in others), "")


def _holders(vm: Manifest, nics: Sequence[Manifest], wish: AddressWish, network_uid: str) -> Iterator[str]:
    namespace = vm["metadata"]["namespace"]
    asking = (nic for nic in nics if resolve_key(namespace, nic["network"]) == wish.key)
    given = (nic for nic in look(vm, "status.nics", []) if nic.get("network") == network_uid)
    yield from (str(nic["name"]) for nic in (*asking, *given) if wish.address in _addresses_of(nic))


def _addresses_of(nic: Manifest) -> Iterator[str]:
    """Its addresses in the form that all are compared in."""
    return (str(ip_address(written)) for written in nic.get("addresses", []) if is_address(written))


def _subnets(network: Manifest) -> list[Manifest]:
    """Those of its spec, and the one that was chosen for it."""
    own: list[Manifest] = look(network, "spec.subnets", [])
    known = {one["cidr"] for one in own}
    return [*own, *({"cidr": cidr} for cidr in look(network, "status.subnets", []) if cidr not in known)]


def _is_without_its_own(network: Manifest, subnets: Sequence[Manifest]) -> bool:
    """Whether it is still to get an IPv6 subnet by itself."""
    has_one = any(ip_network(one["cidr"], strict=False).version == 6 for one in subnets)
    gets_one = look(network, "spec.physical") is None and look(network, "spec.ipv6", "Auto") == "Auto"
    return gets_one and not has_one
