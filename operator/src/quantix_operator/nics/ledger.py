"""Who has which address and MAC on which network: the operator's memory of what was given out.

Filled from VM status, from the ports in the northbound database and by every new decision; asked before
every new one. Kept by network, so that a question costs the same with ten VMs and with ten thousand. It lives
in the event loop: between a question and the `hold` that follows there must be no await. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

_NOTHING: Mapping[str, Holder] = MappingProxyType({})


@dataclass(frozen=True, order=True)
class Claimant:
    """Somebody who wants an address; the smaller is the elder, who has it in a conflict."""

    since: str
    uid: str
    key: str
    name: str
    """For people: kind and name, such as `VM default/web-1`."""


@dataclass(frozen=True)
class Assignment:
    """What a port has on one network; `mac` is "" for an address without a port of its own."""

    network_uid: str
    mac: str
    addresses: tuple[str, ...]


Holder = Claimant


class Ledger:
    """Assignments by owner and port, and by network and address."""

    def __init__(self) -> None:
        self._assignments: dict[str, dict[str, Assignment]] = {}
        self._addresses: dict[str, dict[str, Holder]] = {}
        self._macs: dict[str, dict[str, Holder]] = {}
        self._wanted: dict[str, dict[str, set[Claimant]]] = {}
        self._wants: dict[str, set[tuple[str, str]]] = {}

    def hold(self, holder: Holder, assignment: Assignment) -> None:
        """`holder` has `assignment` from now on, and no longer what it had before.

        What another holds stays the other's: the first record of an address counts.
        """
        if self.assignment(holder.uid, holder.key) == assignment:
            return
        self.release(holder.uid, holder.key)
        self._assignments.setdefault(holder.uid, {})[holder.key] = assignment
        addresses = self._addresses.setdefault(assignment.network_uid, {})
        for address in assignment.addresses:
            addresses.setdefault(address, holder)
        if assignment.mac:
            self._macs.setdefault(assignment.network_uid, {}).setdefault(assignment.mac, holder)

    def release(self, uid: str, key: str | None = None) -> None:
        """Give back what an owner holds, for one of its ports or (without `key`) for all."""
        held = self._assignments.get(uid, {})
        for port in [key] if key is not None else list(held):
            assignment = held.pop(port, None)
            if assignment is None:
                continue
            addresses = self._addresses.get(assignment.network_uid, {})
            for address in assignment.addresses:
                _drop(addresses, address, uid, port)
            _drop(self._macs.get(assignment.network_uid, {}), assignment.mac, uid, port)
        if not held:
            self._assignments.pop(uid, None)

    def assignment(self, uid: str, key: str) -> Assignment | None:
        """What a port has, None when nothing was decided yet."""
        return self._assignments.get(uid, {}).get(key)

    def keys(self, uid: str) -> tuple[str, ...]:
        """The ports of an owner that hold something."""
        return tuple(self._assignments.get(uid, ()))

    def addresses(self, network_uid: str) -> Mapping[str, Holder]:
        """All addresses given out on a network."""
        return self._addresses.get(network_uid, _NOTHING)

    def macs(self, network_uid: str) -> Mapping[str, Holder]:
        """All MAC addresses given out on a network."""
        return self._macs.get(network_uid, _NOTHING)

    def ports(self, network_uid: str) -> int:
        """How many ports with a MAC of their own a network has."""
        return len(self.macs(network_uid))

    def want(self, uid: str, claims: Iterable[tuple[str, str, Claimant]]) -> None:
        """Replace the static addresses that an owner asks for: (network key, address, who).

        By the network's name, not its UID: the claim counts before the network is there.
        """
        for network, address in self._wants.pop(uid, ()):
            claimants = self._wanted.get(network, {}).get(address, set())
            claimants -= {item for item in claimants if item.uid == uid}
            if not claimants:
                self._wanted.get(network, {}).pop(address, None)
        for network, address, claimant in claims:
            self._wanted.setdefault(network, {}).setdefault(address, set()).add(claimant)
            self._wants.setdefault(uid, set()).add((network, address))

    def eldest(self, network: str, address: str) -> Claimant | None:
        """Who of those that ask for a static address comes first."""
        return min(self._wanted.get(network, {}).get(address, ()), default=None)

    def wanted(self, network: str) -> Mapping[str, set[Claimant]]:
        """The static addresses that somebody asks for on a network."""
        return self._wanted.get(network, {})


def _drop(index: dict[str, Holder], value: str, uid: str, key: str) -> None:
    holder = index.get(value)
    if holder is not None and (holder.uid, holder.key) == (uid, key):
        del index[value]
