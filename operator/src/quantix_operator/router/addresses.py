"""Which addresses a Router has in a network: pure decisions over what it asks for and what is given out.

Called by `plan`. The controller records what was decided, with no await in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from quantix_api import Router
from quantix_api.seniority import age_order
from quantix_operator.ipam.assign import Problem, exhausted, refuse_static
from quantix_operator.ipam.ledger import Claimant, Ledger
from quantix_operator.ipam.occupancy import free_pool, taken
from quantix_operator.northbound.addresses import allocate
from quantix_operator.northbound.match import Family
from quantix_operator.tenancy import as_told
from quantix_operator.topology.view import NetworkView, SubnetView

OUTSIDE = "outside"
"""What the leg outside is called in the ledger."""
OUTSIDE_PATH = "spec.external.address"

Chosen = tuple[tuple[str, ...], Problem | None]
"""Addresses, at most one for each subnet; and the first that cannot be had."""


@dataclass(frozen=True)
class InsideWish:
    """What a Router asks for inside a network: `address` is that of spec; `gateways` are the families in
    which it takes the network's gateway where spec names none. `path` is its place in spec.
    """

    address: str | None
    gateways: frozenset[Family]
    path: str


def router_claimant(router: Router, key: str) -> Claimant:
    """A Router as somebody who asks for an address."""
    return Claimant(*age_order(router), key, f"router {router.key}")


def inside_claim(network: str) -> str:
    """What the leg in a network is called in the ledger: by name, for it counts before the network is
    there.
    """
    return f"inside/{network}"


def assign_inside(wish: InsideWish, claimant: Claimant, view: NetworkView, ledger: Ledger) -> Chosen:
    """The Router's addresses inside.

    Each is that one or none: whoever has it before is named in the problem, be it a guest that has had the
    address since before it became the gateway's. What was in force goes on until then.
    """
    named = ip_address(wish.address) if wish.address is not None else None
    problem: Problem | None = None
    chosen: list[str] = []
    if named is not None and all(named.version != subnet.family for subnet in view.subnets):
        problem = refuse_static(str(named), wish.path, claimant, view, ledger)
    for subnet in view.subnets:
        gateway = str(subnet.pool.gateway)
        here = named is not None and named.version == subnet.family
        wanted = str(named) if here else gateway if subnet.family in wish.gateways else None
        if wanted is None:
            continue
        if wanted == gateway:
            refused = _gateway_taken(gateway, claimant, view, ledger)
        else:
            refused = refuse_static(wanted, wish.path, claimant, view, ledger)
        address = wanted if refused is None else _recorded(claimant, view, subnet, ledger)
        problem = problem or refused
        if address is not None:
            chosen.append(address)
    return tuple(chosen), problem


def assign_outside(router: Router, view: NetworkView, ledger: Ledger) -> Chosen:
    """The addresses of a Router outside, one for each subnet.

    An address that spec names is that one or none: whoever has it, or has what the network keeps back, is
    in the problem, and no other is chosen in its place. One that was in force goes on until then, because a
    refused change changes nothing. Without a word in spec the Router keeps what it has, as long as the
    network does not keep that back, or gets a new one.
    """
    claimant = router_claimant(router, OUTSIDE)
    asked = router.spec.external.address if router.spec.external is not None else None
    problem = refuse_static(asked, OUTSIDE_PATH, claimant, view, ledger) if asked is not None else None
    chosen: list[str] = []
    for subnet in view.subnets:
        named = asked is not None and ip_address(asked).version == subnet.family
        before = _recorded(claimant, view, subnet, ledger)
        if named:
            address = asked if problem is None else before
        elif before is not None and not free_pool(subnet, view, ledger).reserved(int(ip_address(before))):
            address = before
        else:
            found = allocate(free_pool(subnet, view, ledger), taken(view, ledger), claimant.uid, claimant.key)
            address = str(found) if found is not None else before
            problem = problem or (exhausted(subnet, view, ledger) if found is None else None)
        if address is not None:
            chosen.append(address)
    return tuple(chosen), problem


def _gateway_taken(gateway: str, claimant: Claimant, view: NetworkView, ledger: Ledger) -> Problem | None:
    holder = ledger.addresses(view.wire).get(gateway)
    if holder is None or holder.is_same(claimant):
        return None
    return Problem.of(
        "AddressInUse",
        address=gateway,
        network=view.key,
        user=as_told(holder.name, claimant.name),
        path=f"spec.subnets of network {view.network.metadata.name}",
    )


def _recorded(claimant: Claimant, view: NetworkView, subnet: SubnetView, ledger: Ledger) -> str | None:
    """What the Router has already in this subnet, unless the subnet went or another held it before."""
    recorded = ledger.allocation(claimant.uid, claimant.key)
    for address in recorded.addresses if recorded is not None and recorded.network_uid == view.uid else ():
        parsed = ip_address(address)
        holder = ledger.addresses(view.wire).get(address)
        if parsed in subnet.pool.prefix and (holder is None or holder.is_same(claimant)):
            return address
    return None
