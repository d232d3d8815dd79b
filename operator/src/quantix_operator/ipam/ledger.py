"""Who has which address and MAC on which wire: the operator's memory of what was given out.

Filled from VM status, from the ports in the northbound database and by every new decision; asked before
every new one. Kept by wire, because Networks that are joined to the same one share its addresses and MACs.
It lives in the event loop: between a question and the `hold` that follows there must be no await. No I/O.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from quantix_operator.tenancy import home_of
from quantix_operator.topology.view import NetworkView, Wire
from quantix_operator.topology.wires import Wires

TakesIn = Callable[[str, str], bool]
"""Whether a network (its key) lets a namespace use it."""
FLOATING_IP = "floating IP"
"""What the name of a claimant begins with that is one."""
_NOTHING: Mapping[str, Holder] = MappingProxyType({})


@dataclass(frozen=True, order=True)
class Claimant:
    """Somebody who wants an address; the smaller is the elder, who has it in a conflict."""

    since: str
    uid: str
    key: str
    name: str
    """For people: kind and name, such as `VM default/web-1`."""

    @property
    def is_floating_ip(self) -> bool:
        """Whether it is a FloatingIP, which needs no VM to hold an address."""
        return self.name.startswith(f"{FLOATING_IP} ")

    def is_same(self, other: Claimant) -> bool:
        """Whether both are one port of one object."""
        return (self.uid, self.key) == (other.uid, other.key)


Holder = Claimant


@dataclass(frozen=True)
class Allocation:
    """What a port has in one network; `mac` is "" for an address without a port of its own. `guest`:
    whether it is a guest's port, which keeps the network from going.
    """

    network_uid: str
    mac: str
    addresses: tuple[str, ...]
    guest: bool = True


@dataclass(frozen=True)
class _Record:
    holder: Holder
    allocation: Allocation
    wire: Wire


def _everybody(_network: str, _namespace: str) -> bool:
    return True


class Ledger:
    """Allocations by owner and port, and by wire and address. Whom `takes_in` refuses has what it has, and
    its wishes count for nothing; it is asked at each question, since labels of namespaces change.
    """

    def __init__(self, takes_in: TakesIn = _everybody) -> None:
        self._takes_in = takes_in
        self._wires = Wires()
        self._records: dict[str, dict[str, _Record]] = {}
        self._addresses: dict[Wire, dict[str, Holder]] = {}
        self._macs: dict[Wire, dict[str, Holder]] = {}
        self._guests: Counter[str] = Counter()
        self._wanted: dict[str, dict[str, set[Claimant]]] = {}
        self._wants: dict[str, set[tuple[str, str]]] = {}

    def join(self, network: NetworkView) -> None:
        """`network` is there as it says, on its wire."""
        before = self._wires.wire(network.uid)
        self._wires.join(network)
        if before == network.wire:
            return
        # A guest's status can be heard of before its network is
        records = [record for held in self._records.values() for record in held.values()]
        for record in records:
            if record.allocation.network_uid == network.uid:
                self.release(record.holder.uid, record.holder.key)
                self.hold(record.holder, record.allocation)

    def leave(self, network_uid: str) -> None:
        """The network is gone; what is still held there stays on its wire."""
        self._wires.leave(network_uid)

    def others(self, network: NetworkView) -> tuple[NetworkView, ...]:
        """The other networks on its wire."""
        return self._wires.others(network)

    def hold(self, holder: Holder, allocation: Allocation) -> None:
        """`holder` has `allocation` from now on, and no longer what it had before.

        What another holds stays the other's: the first record of an address counts.
        """
        if self.allocation(holder.uid, holder.key) == allocation:
            return
        self.release(holder.uid, holder.key)
        wire = self._wires.wire(allocation.network_uid)
        self._records.setdefault(holder.uid, {})[holder.key] = _Record(holder, allocation, wire)
        self._guests[allocation.network_uid] += allocation.guest
        addresses = self._addresses.setdefault(wire, {})
        for address in allocation.addresses:
            addresses.setdefault(address, holder)
        if allocation.mac:
            self._macs.setdefault(wire, {}).setdefault(allocation.mac, holder)

    def release(self, uid: str, key: str | None = None) -> None:
        """Give back what an owner holds, for one of its ports or (without `key`) for all."""
        held = self._records.get(uid, {})
        for port in [key] if key is not None else list(held):
            record = held.pop(port, None)
            if record is None:
                continue
            self._guests[record.allocation.network_uid] -= record.allocation.guest
            addresses = self._addresses.get(record.wire, {})
            for address in record.allocation.addresses:
                _drop(addresses, address, record.holder)
            _drop(self._macs.get(record.wire, {}), record.allocation.mac, record.holder)
        if not held:
            self._records.pop(uid, None)

    def allocation(self, uid: str, key: str) -> Allocation | None:
        """What a port has, None when nothing was decided yet."""
        record = self._records.get(uid, {}).get(key)
        return record.allocation if record is not None else None

    def keys(self, uid: str) -> tuple[str, ...]:
        """The ports of an owner that hold something."""
        return tuple(self._records.get(uid, ()))

    def addresses(self, wire: Wire) -> Mapping[str, Holder]:
        """All addresses given out on a wire."""
        return self._addresses.get(wire, _NOTHING)

    def macs(self, wire: Wire) -> Mapping[str, Holder]:
        """All MAC addresses given out on a wire."""
        return self._macs.get(wire, _NOTHING)

    def ports(self, network_uid: str) -> int:
        """How many ports of guests a network has."""
        return self._guests[network_uid]

    def want(self, uid: str, claims: Iterable[tuple[str, str, Claimant]]) -> None:
        """Replace the static addresses that an owner asks for: (network key, address, who).

        By the network's name, not by its UID or wire: the claim counts before the network is there.
        """
        for network, address in self._wants.pop(uid, ()):
            claimants = self._wanted.get(network, {}).get(address, set())
            claimants -= {item for item in claimants if item.uid == uid}
            if not claimants:
                self._wanted.get(network, {}).pop(address, None)
        for network, address, claimant in claims:
            self._wanted.setdefault(network, {}).setdefault(address, set()).add(claimant)
            self._wants.setdefault(uid, set()).add((network, address))

    def eldest(self, wire: Wire, address: str) -> Claimant | None:
        """Who of those that ask for a static address comes first, in whichever network of the wire."""
        return min(self._asking(wire, address), default=None)

    def _asking(self, wire: Wire, address: str) -> Iterator[Claimant]:
        for network in self._wires.keys(wire):
            for claimant in self._wanted.get(network, {}).get(address, ()):
                if self._takes_in(network, home_of(claimant.name)):
                    yield claimant


def _drop(index: dict[str, Holder], value: str, holder: Holder) -> None:
    there = index.get(value)
    if there is not None and there.is_same(holder):
        del index[value]
