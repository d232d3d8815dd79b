"""What a Router asks for and has on the wires that it is joined to, in the ledger.

Used by the router's controller alone: it builds `RouterFeed`, and records what `plan` decided. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from quantix_api import Network, Router
from quantix_api.references import resolve_key
from quantix_operator.claim_feed import ClaimFeed
from quantix_operator.ipam.ledger import Allocation, Claimant, Ledger
from quantix_operator.router.addresses import OUTSIDE, inside_claim, router_claimant
from quantix_operator.router.plan import Held
from quantix_operator.router.rows import inside_key, outside_key, port_mac, router_owner
from quantix_operator.topology.view import make_view


class RouterFeed(ClaimFeed[Router]):
    """Of the Routers."""

    kind = Router

    def _wants(self, item: Router) -> Iterator[tuple[str, str, Claimant]]:
        namespace = item.metadata.namespace or ""
        for inside in item.spec.networks:
            if inside.address is not None:
                claimant = router_claimant(item, inside_claim(inside.name))
                yield f"{namespace}/{inside.name}", str(ip_address(inside.address)), claimant
        external = item.spec.external
        if external is not None and external.address is not None:
            key = resolve_key(namespace, external.network)
            yield key, str(ip_address(external.address)), router_claimant(item, OUTSIDE)

    def _recall(self, item: Router) -> None:
        namespace = item.metadata.namespace or ""
        owner = router_owner(self._cluster_uid, item)
        for inside in item.spec.networks:
            network = self._objects.get(Network, f"{namespace}/{inside.name}")
            if network is not None and inside.address is not None:
                mac = port_mac(owner, inside_key(network.metadata.uid))
                self._hold(item, inside_claim(inside.name), network, mac, (inside.address,))
        external = item.spec.external
        if external is None:
            return
        network = self._objects.get(Network, resolve_key(namespace, external.network))
        if network is not None:
            mac = port_mac(owner, outside_key(network.metadata.uid))
            self._hold(item, OUTSIDE, network, mac, _outside_addresses(item))

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
