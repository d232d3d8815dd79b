"""Which MAC and which addresses a NIC has: a pure decision over what it asks for and what is given out.

Called by `nics.ports`, with no await between the decision and the record of it in the ledger. Routers, which
ask for addresses too, share what refuses one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from quantix_api import identity
from quantix_api.message_table_phrases import EXCLUDED_ADDRESS
from quantix_api.subnet_roles import role_of
from quantix_api.vm_devices import Nic
from quantix_operator.ipam.ledger import Allocation, Claimant, Ledger
from quantix_operator.ipam.occupancy import address_user, free_pool, mac_user, taken
from quantix_operator.northbound.addresses import allocate, automatic_v6
from quantix_operator.topology.view import NetworkView, SubnetView

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
) -> Allocation | Problem:
    """What the NIC gets on the network: what it asks for, else what it has, else something new.

    An address that another holds on the same wire stays the other's; of those that only ask, the elder gets
    it. `path` is the NIC's place in spec, for messages.
    """
    recorded = ledger.allocation(claimant.uid, claimant.key)
    if recorded is not None and recorded.network_uid != view.uid:
        recorded = None
    mac = _mac(nic, path, claimant, view, ledger)
    if isinstance(mac, Problem):
        return mac
    static = {ip_address(item).version: str(ip_address(item)) for item in nic.addresses}
    for fixed in static.values():
        problem = refuse_static(fixed, path, claimant, view, ledger)
        if problem is not None:
            return problem
    addresses: list[str] = []
    for subnet in view.subnets:
        wanted = static.get(subnet.family)
        address = wanted or _kept(recorded, subnet, claimant, view, ledger)
        if address is None and not subnet.slaac:
            address = _new(subnet, mac, claimant, view, ledger)
            if address is None:
                return exhausted(subnet, view, ledger)
        if address is not None:
            addresses.append(address)
    return Allocation(view.uid, mac, tuple(addresses))


def refuse_static(
    address: str, path: str, claimant: Claimant, view: NetworkView, ledger: Ledger
) -> Problem | None:
    """Why whoever asks for this address by name does not get it; None when nothing is in the way."""
    subnet = next((item for item in view.subnets if _within(address, item)), None)
    if subnet is not None and subnet.pool.reserved(int(ip_address(address))):
        what = role_of(address, subnet.cidr, str(subnet.pool.gateway)) or EXCLUDED_ADDRESS
        return Problem.of("AddressReserved", address=address, network=view.key, what=what, path=path)
    if subnet is None:
        cidrs = ", ".join(item.cidr for item in view.subnets) or "no subnet"
        return Problem.of("AddressOutsideSubnet", address=address, network=view.key, subnets=cidrs, path=path)
    user = address_user(address, claimant, view, ledger)
    if user is not None:
        return Problem.of("AddressInUse", address=address, network=view.key, user=user, path=path)
    return None


def exhausted(subnet: SubnetView, view: NetworkView, ledger: Ledger) -> Problem:
    """That a subnet has no address left."""
    pool = free_pool(subnet, view, ledger)
    holders = [
        holder
        for address, holder in ledger.addresses(view.wire).items()
        if _within(address, subnet) and not pool.reserved(int(ip_address(address)))
    ]
    fields = {"network": view.key, "used": len(holders), "all": pool.size}
    floating = sum(1 for holder in holders if holder.is_floating_ip)
    return Problem.of("AddressesExhausted", **fields, **({"floating": floating} if floating else {}))


def _mac(nic: Nic, path: str, claimant: Claimant, view: NetworkView, ledger: Ledger) -> str | Problem:
    if nic.mac is not None:
        user = mac_user(nic.mac, claimant, view, ledger)
        return nic.mac if user is None else _mac_in_use(nic.mac, user, path, view)
    # A MAC that spec asked for does not stay when spec is silent again; one of ours does
    recorded = ledger.allocation(claimant.uid, claimant.key)
    if recorded is not None and recorded.network_uid == view.uid and recorded.mac in _macs(claimant, view):
        return recorded.mac
    for mac in _macs(claimant, view):
        if mac_user(mac, claimant, view, ledger) is None:
            return mac
    first = next(_macs(claimant, view))
    return _mac_in_use(first, mac_user(first, claimant, view, ledger) or "", path, view)


def _macs(claimant: Claimant, view: NetworkView) -> Iterator[str]:
    """What the NIC may have, best first. One at a time: the first nearly always does, and each is a hash."""
    for attempt in range(MAC_ATTEMPTS):
        yield identity.mac_address(
            identity.MAC_VM_NIC, view.owner.cluster, claimant.uid, claimant.key, attempt
        )


def _mac_in_use(mac: str, user: str, path: str, view: NetworkView) -> Problem:
    return Problem.of("MACInUse", mac=mac, network=view.key, user=user, path=path)


def _kept(
    recorded: Allocation | None, subnet: SubnetView, claimant: Claimant, view: NetworkView, ledger: Ledger
) -> str | None:
    """The address that the NIC has already, unless the subnet went or another held it before."""
    for address in recorded.addresses if recorded is not None else ():
        if _within(address, subnet) and not subnet.pool.reserved(int(ip_address(address))):
            holder = ledger.addresses(view.wire).get(address)
            if holder is None or holder.is_same(claimant):
                return address
    return None


def _new(subnet: SubnetView, mac: str, claimant: Claimant, view: NetworkView, ledger: Ledger) -> str | None:
    pool, others = free_pool(subnet, view, ledger), taken(view, ledger)
    if subnet.family == 6:
        chosen = automatic_v6(pool, mac, others, claimant.uid, claimant.key)
    else:
        chosen = allocate(pool, others, claimant.uid, claimant.key)
    return None if chosen is None else str(chosen)


def _within(address: str, subnet: SubnetView) -> bool:
    parsed = ip_address(address)
    return parsed.version == subnet.family and parsed in subnet.pool.prefix
