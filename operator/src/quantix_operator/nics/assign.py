"""Which MAC and which addresses a NIC has: a pure decision over what it asks for and what is given out.

Called by `nics.ports`, with no await between the decision and the record of it in the ledger.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from ipaddress import ip_address

from quantix_api import identity
from quantix_api.vm_devices import Nic
from quantix_operator.network.view import NetworkView, SubnetView
from quantix_operator.nics.ledger import Assignment, Claimant, Ledger
from quantix_operator.northbound.addresses import allocate, automatic_v6
from quantix_operator.tenancy import as_told

MAC_ATTEMPTS = 64


@dataclass(frozen=True)
class Problem:
    """Why a NIC has no port: a reason of NetworkReady, and the fields of its message."""

    reason: str
    fields: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, reason: str, **fields: object) -> Problem:
        """A problem with its message's fields."""
        return cls(reason, tuple((name, str(value)) for name, value in fields.items()))


def assign_nic(
    nic: Nic, path: str, claimant: Claimant, view: NetworkView, ledger: Ledger
) -> Assignment | Problem:
    """What the NIC gets on the network: what it asks for, else what it has, else something new.

    An address that another holds stays the other's; of those that only ask, the elder gets it. `path` is
    the NIC's place in spec, for messages.
    """
    recorded = ledger.assignment(claimant.uid, claimant.key)
    if recorded is not None and recorded.network_uid != view.uid:
        recorded = None
    mac = _mac(nic, path, claimant, view, ledger)
    if isinstance(mac, Problem):
        return mac
    static = {ip_address(item).version: str(ip_address(item)) for item in nic.addresses}
    for fixed in static.values():
        problem = _refused(fixed, path, claimant, view, ledger)
        if problem is not None:
            return problem
    addresses: list[str] = []
    for subnet in view.subnets:
        wanted = static.get(subnet.family)
        address = wanted or _kept(recorded, subnet, claimant, view, ledger)
        if address is None and not subnet.slaac:
            address = _new(subnet, mac, claimant, view, ledger)
            if address is None:
                used = len([item for item in ledger.addresses(view.uid) if _within(item, subnet)])
                return Problem.of("AddressesExhausted", network=view.key, used=used, all=subnet.pool.size)
        if address is not None:
            addresses.append(address)
    return Assignment(view.uid, mac, tuple(addresses))


def _mac(nic: Nic, path: str, claimant: Claimant, view: NetworkView, ledger: Ledger) -> str | Problem:
    taken = ledger.macs(view.uid)
    if nic.mac is not None:
        holder = taken.get(nic.mac)
        if holder is not None and (holder.uid, holder.key) != (claimant.uid, claimant.key):
            user = as_told(holder.name, claimant.name)
            return Problem.of("MACInUse", mac=nic.mac, network=view.key, user=user, path=path)
        return nic.mac
    candidates = [
        identity.mac_address(identity.MAC_VM_NIC, view.owner.cluster, claimant.uid, claimant.key, attempt)
        for attempt in range(MAC_ATTEMPTS)
    ]
    # A MAC that spec asked for does not stay when spec is silent again; one of ours does
    recorded = ledger.assignment(claimant.uid, claimant.key)
    if recorded is not None and recorded.network_uid == view.uid and recorded.mac in candidates:
        return recorded.mac
    for mac in candidates:
        if mac not in taken:
            return mac
    first = candidates[0]
    user = as_told(taken[first].name, claimant.name)
    return Problem.of("MACInUse", mac=first, network=view.key, user=user, path=path)


def _refused(
    address: str, path: str, claimant: Claimant, view: NetworkView, ledger: Ledger
) -> Problem | None:
    subnet = next((item for item in view.subnets if _within(address, item)), None)
    if subnet is None or subnet.pool.reserved(int(ip_address(address))):
        cidrs = ", ".join(item.cidr for item in view.subnets) or "no subnet"
        return Problem.of("AddressOutsideSubnet", address=address, network=view.key, subnets=cidrs, path=path)
    holder = ledger.addresses(view.uid).get(address) or ledger.eldest(view.key, address)
    if holder is not None and (holder.uid, holder.key) != (claimant.uid, claimant.key):
        user = as_told(holder.name, claimant.name)
        return Problem.of("AddressInUse", address=address, network=view.key, user=user, path=path)
    return None


def _kept(
    recorded: Assignment | None, subnet: SubnetView, claimant: Claimant, view: NetworkView, ledger: Ledger
) -> str | None:
    """The address that the NIC has already, unless the subnet went or another held it before."""
    for address in recorded.addresses if recorded is not None else ():
        if _within(address, subnet) and not subnet.pool.reserved(int(ip_address(address))):
            holder = ledger.addresses(view.uid).get(address)
            if holder is None or (holder.uid, holder.key) == (claimant.uid, claimant.key):
                return address
    return None


class _Taken(Container[str]):
    """Addresses that are given out, or that somebody asks for by name."""

    def __init__(self, *sets: Container[str]) -> None:
        self._sets = sets

    def __contains__(self, address: object) -> bool:
        return any(address in item for item in self._sets)


def _new(subnet: SubnetView, mac: str, claimant: Claimant, view: NetworkView, ledger: Ledger) -> str | None:
    taken = _Taken(ledger.addresses(view.uid), ledger.wanted(view.key))
    if subnet.family == 6:
        chosen = automatic_v6(subnet.pool, mac, taken, claimant.uid, claimant.key)
    else:
        chosen = allocate(subnet.pool, taken, claimant.uid, claimant.key)
    return None if chosen is None else str(chosen)


def _within(address: str, subnet: SubnetView) -> bool:
    parsed = ip_address(address)
    return parsed.version == subnet.family and parsed in subnet.pool.prefix
