"""What a Router asks for and has on the wires that it is joined to, in the ledger.

Used by the router's controller, which builds `RouterFeed`, and by `observe`, which decides what a Router
gets. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from quantix_api import Network, Router
from quantix_api.resources import ROUTERS
from quantix_api.seniority import age_order
from quantix_client.reflector import Change
from quantix_operator.cache import Cache
from quantix_operator.network.view import NetworkView, make_view, resolve_network_key
from quantix_operator.nics.assign import Problem, exhausted, refuse_static
from quantix_operator.nics.ledger import Assignment, Claimant, Ledger
from quantix_operator.nics.occupancy import free_pool, taken
from quantix_operator.northbound.addresses import allocate
from quantix_operator.northbound.rows import Owner
from quantix_operator.objects import Objects
from quantix_operator.router.rows import inside_key, outside_key, port_mac

OUTSIDE = "outside"
"""What the leg outside is called in the ledger."""
OUTSIDE_PATH = "spec.external.address"


class RouterFeed:
    """Follows the Routers of the cache: what they ask for counts before they are looked at, and what they
    have is in the ledger before anything new is given out.
    """

    def __init__(self, cache: Cache, objects: Objects, ledger: Ledger, cluster_uid: str) -> None:
        self._objects = objects
        self._ledger = ledger
        self._cluster_uid = cluster_uid
        for router in objects.list(Router):
            self._recall(router)
            self._want(router)
        cache.subscribe(ROUTERS, self._changed)

    def _changed(self, change: Change) -> None:
        if change.type == "DELETED":
            uid = change.object["metadata"].get("uid", "")
            self._ledger.want(uid, ())
            self._ledger.release(uid)
            return
        router = self._objects.get(Router, change.key)
        if router is not None:
            self._want(router)

    def _want(self, router: Router) -> None:
        self._ledger.want(router.metadata.uid, _wants(router))

    def _recall(self, router: Router) -> None:
        namespace = router.metadata.namespace or ""
        for item in router.spec.networks:
            network = self._objects.get(Network, f"{namespace}/{item.name}")
            if network is not None and item.address is not None:
                view = make_view(self._cluster_uid, network)
                hold_inside(router, view, item.address, self._ledger)
        external, address = router.spec.external, router.status.address
        if external is None or address is None:
            return
        network = self._objects.get(Network, resolve_network_key(namespace, external.network))
        if network is not None:
            hold_outside(router, make_view(self._cluster_uid, network), (address,), self._ledger)


def router_owner(cluster_uid: str, router: Router) -> Owner:
    """The owner of the rows of a Router."""
    return Owner(cluster_uid, router.metadata.uid, "Router", router.key)


def router_claimant(router: Router, key: str) -> Claimant:
    """A Router as somebody who asks for an address."""
    return Claimant(*age_order(router), key, f"router {router.key}")


def hold_inside(router: Router, view: NetworkView, address: str, ledger: Ledger) -> None:
    """Record an address of a Router's own in a network whose gateway it is not."""
    key = inside_key(view.uid)
    owner = router_owner(view.owner.cluster, router)
    assignment = Assignment(view.uid, port_mac(owner, key), (address,), guest=False)
    ledger.hold(router_claimant(router, key), assignment)


def hold_outside(router: Router, view: NetworkView, addresses: tuple[str, ...], ledger: Ledger) -> None:
    """Record what a Router has outside."""
    mac = port_mac(router_owner(view.owner.cluster, router), outside_key(view.uid))
    ledger.hold(router_claimant(router, OUTSIDE), Assignment(view.uid, mac, addresses, guest=False))


def assign_outside(
    router: Router, view: NetworkView, ledger: Ledger
) -> tuple[tuple[str, ...], Problem | None]:
    """The addresses of a Router outside, one for each subnet, recorded; and the first that it cannot have.

    An address that spec names is that one or none: whoever has it, or has what the network keeps back, is
    in the problem, and no other is chosen in its place. One that was in force goes on until then, because a
    refused change changes nothing. Without a word in spec the Router keeps what it has, or gets a new one.
    """
    claimant = router_claimant(router, OUTSIDE)
    asked = router.spec.external.address if router.spec.external is not None else None
    problem = refuse_static(asked, OUTSIDE_PATH, claimant, view, ledger) if asked is not None else None
    chosen: list[str] = []
    for subnet in view.subnets:
        named = asked is not None and ip_address(asked).version == subnet.family
        address = asked if named and problem is None else _kept(claimant, view, subnet.family, ledger)
        if address is None and not named:
            pool = free_pool(subnet, view, ledger)
            found = allocate(pool, taken(view, ledger), claimant.uid, claimant.key)
            address = str(found) if found is not None else None
            problem = problem or (exhausted(subnet, view, ledger) if found is None else None)
        if address is not None:
            chosen.append(address)
    hold_outside(router, view, tuple(chosen), ledger)
    return tuple(chosen), problem


def _kept(claimant: Claimant, view: NetworkView, family: int, ledger: Ledger) -> str | None:
    """What the Router has already in this family, unless the subnet went or another held it before."""
    recorded = ledger.assignment(claimant.uid, claimant.key)
    for address in recorded.addresses if recorded is not None and recorded.network_uid == view.uid else ():
        parsed = ip_address(address)
        inside = any(parsed in subnet.pool.prefix for subnet in view.subnets if subnet.family == family)
        holder = ledger.addresses(view.wire).get(address)
        if inside and parsed.version == family and (holder is None or holder.is_same(claimant)):
            return address
    return None


def _wants(router: Router) -> Iterator[tuple[str, str, Claimant]]:
    external = router.spec.external
    if external is not None and external.address is not None:
        key = resolve_network_key(router.metadata.namespace or "", external.network)
        yield key, str(ip_address(external.address)), router_claimant(router, OUTSIDE)
