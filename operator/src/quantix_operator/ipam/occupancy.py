"""Who has an address or a MAC on a wire, and what is left to give out there.

Used by nics, router and network. Pure: questions to the ledger. What counts is the wire, not the Network: a
gateway, an excluded range, a router's address or a guest's in any Network on it is taken for all of them.
"""

from __future__ import annotations

from collections.abc import Container

from quantix_operator.ipam.ledger import Claimant, Ledger
from quantix_operator.northbound.addresses import Pool
from quantix_operator.tenancy import as_told
from quantix_operator.topology.view import NetworkView, SubnetView, Wire


class _Taken(Container[str]):
    """Addresses on a wire that are given out, or that somebody asks for by name."""

    def __init__(self, wire: Wire, ledger: Ledger) -> None:
        self._wire = wire
        self._ledger = ledger
        self._given = ledger.addresses(wire)

    def __contains__(self, item: object) -> bool:
        return item in self._given or self._ledger.eldest(self._wire, str(item)) is not None


def free_pool(subnet: SubnetView, view: NetworkView, ledger: Ledger) -> Pool:
    """The subnet without what the other Networks on its wire keep back."""
    return subnet.pool.without(
        kept
        for other in ledger.others(view)
        for theirs in other.subnets
        if theirs.family == subnet.family
        for kept in theirs.pool.kept_back
    )


def taken(view: NetworkView, ledger: Ledger) -> Container[str]:
    """Addresses on the wire that are given out, or that somebody asks for by name."""
    return _Taken(view.wire, ledger)


def address_user(address: str, claimant: Claimant, view: NetworkView, ledger: Ledger) -> str | None:
    """Whose an address on the wire is, as the claimant may be told, if not its own: who holds it, the Network
    that keeps it back, or the eldest of those who ask for it.
    """
    holder = ledger.addresses(view.wire).get(address)
    if holder is not None:
        return None if holder.is_same(claimant) else as_told(holder.name, claimant.name)
    for other in ledger.others(view):
        if other.reserves(address):
            return as_told(f"network {other.key}", claimant.name)
    eldest = ledger.eldest(view.wire, address)
    return None if eldest is None or eldest.is_same(claimant) else as_told(eldest.name, claimant.name)


def mac_user(mac: str, claimant: Claimant, view: NetworkView, ledger: Ledger) -> str | None:
    """Whose a MAC on the wire is, as the claimant may be told, if not its own. The platform's are nobody
    else's, whoever had them first: with the gateway's MAC a guest gets what is meant for the gateway.
    """
    for network in (view, *ledger.others(view)):
        if mac in network.reserved_macs:
            return as_told(f"network {network.key}", claimant.name)
    holder = ledger.macs(view.wire).get(mac)
    return None if holder is None or holder.is_same(claimant) else as_told(holder.name, claimant.name)
