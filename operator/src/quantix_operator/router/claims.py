"""What a Router asks for and has on the wires that it is joined to, in the ledger.

Used by the router's controller alone: it builds `RouterFeed`, and records what `plan` decided. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from quantix_api import Network, Router
from quantix_api.references import resolve_key
from quantix_api.resources import ROUTERS
from quantix_api.seniority import age_order
from quantix_client.reflector import Change
from quantix_operator.cache import Cache
from quantix_operator.ipam.ledger import Allocation, Claimant, Ledger
from quantix_operator.objects import Objects
from quantix_operator.router.addresses import OUTSIDE, inside_claim, router_claimant
from quantix_operator.router.plan import Held
from quantix_operator.router.rows import inside_key, outside_key, port_mac, router_owner
from quantix_operator.topology.view import make_view


class RouterFeed:
    """Follows the Routers of the cache: what they ask for counts before they are looked at, and what they
    have is in the ledger before anything new is given out.
    """

    def __init__(self, cache: Cache, objects: Objects, ledger: Ledger, cluster_uid: str) -> None:
        self._objects = objects
        self._ledger = ledger
        self._cluster_uid = cluster_uid
        for router in sorted(objects.list(Router), key=age_order):
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
        owner = router_owner(self._cluster_uid, router)
        for item in router.spec.networks:
            network = self._objects.get(Network, f"{namespace}/{item.name}")
            if network is not None and item.address is not None:
                mac = port_mac(owner, inside_key(network.metadata.uid))
                self._hold(router, inside_claim(item.name), network, mac, (item.address,))
        external = router.spec.external
        if external is None:
            return
        network = self._objects.get(Network, resolve_key(namespace, external.network))
        if network is not None:
            mac = port_mac(owner, outside_key(network.metadata.uid))
            self._hold(router, OUTSIDE, network, mac, _outside_addresses(router))

    def _hold(self, router: Router, claim: str, network: Network, mac: str, addresses: Iterable[str]) -> None:
        """Note what it has there; who is a network's gateway is decided by spec alone."""
        view = make_view(self._cluster_uid, network)
        gateways = {subnet.pool.gateway for subnet in view.subnets}
        own = tuple(str(parsed) for parsed in map(ip_address, addresses) if parsed not in gateways)
        if own:
            held = Allocation(view.uid, mac, own, guest=False)
            self._ledger.hold(router_claimant(router, claim), held)


def _outside_addresses(router: Router) -> tuple[str, ...]:
    """As an operator before this one may have said them: one address alone."""
    one = router.status.address
    return router.status.addresses or ((one,) if one is not None else ())


def record(router: Router, held: Held, ledger: Ledger) -> None:
    """Make what a Router has in the ledger exactly `held`: what spec no longer asks for, others can have."""
    for claim in ledger.keys(router.metadata.uid):
        if claim not in held:
            ledger.release(router.metadata.uid, claim)
    for claim, allocation in held.items():
        ledger.hold(router_claimant(router, claim), allocation)


def _wants(router: Router) -> Iterator[tuple[str, str, Claimant]]:
    namespace = router.metadata.namespace or ""
    for item in router.spec.networks:
        if item.address is not None:
            claimant = router_claimant(router, inside_claim(item.name))
            yield f"{namespace}/{item.name}", str(ip_address(item.address)), claimant
    external = router.spec.external
    if external is not None and external.address is not None:
        key = resolve_key(namespace, external.network)
        yield key, str(ip_address(external.address)), router_claimant(router, OUTSIDE)
