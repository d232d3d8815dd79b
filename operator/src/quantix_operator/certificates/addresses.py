"""Which of the Hosts that report one address has it: the one that reported it first.

Kept by the certificate controller. Reports carry no time, so of those that are there when this process
begins to lead the elder Host counts; after that, whoever reports an address keeps it until it reports it no
more. Lives in the event loop, no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from quantix_api.resources import HOSTS
from quantix_client.api import Manifest
from quantix_client.reflector import Change
from quantix_operator.cache import Cache


class AddressBook:
    """Reporters by address, in the order in which they came."""

    def __init__(self, cache: Cache) -> None:
        self._reporters: dict[str, list[str]] = {}
        self._reported: dict[str, frozenset[str]] = {}
        for host in sorted(cache.list(HOSTS), key=_age):
            self._note(host["metadata"]["name"], frozenset(addresses_of(host)))
        cache.subscribe(HOSTS, self._changed)

    def held_by_others(self, host: str) -> frozenset[str]:
        """What this Host reports, and another reported before it."""
        mine = self._reported.get(host, frozenset())
        return frozenset(address for address in mine if self._reporters[address][0] != host)

    def _changed(self, change: Change) -> None:
        gone = change.type == "DELETED"
        addresses = frozenset() if gone else frozenset(addresses_of(change.object))
        self._note(change.object["metadata"]["name"], addresses)

    def _note(self, host: str, addresses: frozenset[str]) -> None:
        before = self._reported.pop(host, frozenset())
        if addresses:
            self._reported[host] = addresses
        for address in before - addresses:
            self._reporters[address].remove(host)
            if not self._reporters[address]:
                del self._reporters[address]
        for address in addresses - before:
            self._reporters.setdefault(address, []).append(host)


def addresses_of(host: Manifest) -> Iterable[str]:
    """The addresses that a Host reports, each in its one form: IPs, and that of its API, which stands with
    its port.
    """
    reported = (host.get("status") or {}).get("addresses") or {}
    for value in map(str, reported.values()):
        address, separator, port = value.rpartition(":")
        with_port = separator and port.isdigit() and (":" not in address or address.startswith("["))
        yield _one_form(address.strip("[]") if with_port else value)


def _one_form(address: str) -> str:
    """Two texts of one address become one, an IPv4 one in IPv6's form too; what is none stays as it is."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if parsed.version == 6 else None
    return str(mapped or parsed)


def _age(host: Manifest) -> tuple[str, str]:
    metadata = host["metadata"]
    return str(metadata.get("creationTimestamp") or ""), str(metadata.get("uid") or "")
