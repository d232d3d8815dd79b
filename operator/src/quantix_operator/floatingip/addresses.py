"""Which address and which MAC a FloatingIP has: pure decisions over what it asks for and what is given out.

Called by `plan`. The controller records what was decided, with no await in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from quantix_api import FloatingIP, identity
from quantix_api.seniority import age_order
from quantix_operator.ipam.assign import MAC_ATTEMPTS, Problem, exhausted, refuse_static
from quantix_operator.ipam.ledger import FLOATING_IP, Allocation, Claimant, Ledger
from quantix_operator.ipam.occupancy import free_pool, mac_user, taken
from quantix_operator.northbound.addresses import allocate
from quantix_operator.topology.view import NetworkView

CLAIM = "floating"
"""What its address is called in the ledger."""
_PATH = "spec.address"


def claimant_of(floating_ip: FloatingIP) -> Claimant:
    """A FloatingIP as somebody who asks for an address."""
    return Claimant(*age_order(floating_ip), CLAIM, f"{FLOATING_IP} {floating_ip.key}")


def assign_floating(
    floating_ip: FloatingIP, view: NetworkView, ledger: Ledger, *, led_out: bool
) -> tuple[Allocation | None, Problem | None]:
    """What the FloatingIP has in its network, and why it is not what spec asks for.

    An address that spec names is that one or none. Another one is chosen once and kept, also when the network
    excludes it later: people know it by then. What is in force goes on while it cannot be had any more.
    `led_out`: a Router has its way out through the network. Without one an address leads nowhere, and would
    only be kept from guests.
    """
    if view.v4 is None:
        return None, Problem.of("NoSubnet", network=floating_ip.spec.network)
    claimant, asked = claimant_of(floating_ip), floating_ip.spec.address
    before = _kept(floating_ip, claimant, view, ledger)
    problem: Problem | None = None
    if before is None and not led_out:
        return None, Problem.of("NoRoute", outside=floating_ip.spec.network)
    if asked is not None:
        problem = refuse_static(asked, _PATH, claimant, view, ledger)
        address = str(ip_address(asked)) if problem is None else before
    else:
        address = before or _new(claimant, view, ledger)
        problem = exhausted(view.v4, view, ledger) if address is None else None
    if address is None:
        return None, problem
    mac = _mac(claimant, view, ledger)
    return Allocation(view.uid, mac, (address,), guest=False), problem


def recorded_address(floating_ip: FloatingIP, claimant: Claimant, ledger: Ledger) -> str | None:
    """The address that it has by what the ledger remembers, else by its own status."""
    recorded = ledger.allocation(claimant.uid, claimant.key)
    return recorded.addresses[0] if recorded is not None else floating_ip.status.address


def _kept(floating_ip: FloatingIP, claimant: Claimant, view: NetworkView, ledger: Ledger) -> str | None:
    """What it has already, unless the subnet went, it became a gateway's, or another has it."""
    address = recorded_address(floating_ip, claimant, ledger)
    if address is None or view.v4 is None or ip_address(address) not in view.v4.pool.prefix:
        return None
    views = (view, *ledger.others(view))
    gateways = {subnet.pool.gateway for one in views for subnet in one.subnets}
    holder = ledger.addresses(view.wire).get(address)
    free = holder is None or holder.is_same(claimant)
    return address if free and ip_address(address) not in gateways else None


def _new(claimant: Claimant, view: NetworkView, ledger: Ledger) -> str | None:
    if view.v4 is None:
        return None
    found = allocate(free_pool(view.v4, view, ledger), taken(view, ledger), claimant.uid, claimant.key)
    return str(found) if found is not None else None


def _mac(claimant: Claimant, view: NetworkView, ledger: Ledger) -> str:
    """The first of its MACs that nobody else has on the wire: the one that others know it by while its VM is
    on some other host than the router's way out.
    """
    free = (mac for mac in macs_of(claimant, view) if mac_user(mac, claimant, view, ledger) is None)
    return next(free, next(macs_of(claimant, view)))


def macs_of(claimant: Claimant, view: NetworkView) -> Iterator[str]:
    """What it may have, best first."""
    for attempt in range(MAC_ATTEMPTS):
        yield identity.mac_address(
            identity.MAC_FLOATING_IP, view.owner.cluster, claimant.uid, claimant.key, attempt
        )
