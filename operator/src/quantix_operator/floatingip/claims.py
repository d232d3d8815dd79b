"""What FloatingIPs ask for and have on the wires of their networks, in the ledger.

Used by the controller of floating IPs alone: it builds `FloatingIPFeed`, and records what `plan` decided. No
I/O.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from quantix_api import FloatingIP, Network, Router
from quantix_api.references import resolve_key
from quantix_api.resources import ROUTERS
from quantix_client.reflector import Change
from quantix_operator.cache import Cache
from quantix_operator.claim_feed import ClaimFeed
from quantix_operator.floatingip.addresses import CLAIM, claimant_of, macs_of
from quantix_operator.indexers import floating_ips_on, routers_through
from quantix_operator.ipam.ledger import Allocation, Claimant, Ledger
from quantix_operator.objects import Objects
from quantix_operator.topology.view import make_view


class FloatingIPFeed(ClaimFeed[FloatingIP]):
    """Of the FloatingIPs. One of a network that no Router leads out through asks for nothing: its wish would
    keep the address from guests.
    """

    kind = FloatingIP

    def __init__(self, cache: Cache, objects: Objects, ledger: Ledger, cluster_uid: str) -> None:
        super().__init__(cache, objects, ledger, cluster_uid)
        cache.subscribe(ROUTERS, self._router_changed)

    def _router_changed(self, change: Change) -> None:
        states = [state for state in (change.object, change.previous) if state is not None]
        for key in {key for state in states for key in routers_through(state)}:
            for item in self._objects.by(FloatingIP, floating_ips_on, key):
                self._want(item)

    def _wants(self, item: FloatingIP) -> Iterator[tuple[str, str, Claimant]]:
        key = resolve_key(item.metadata.namespace or "", item.spec.network)
        if item.spec.address is not None and self._objects.by(Router, routers_through, key):
            yield key, str(ip_address(item.spec.address)), claimant_of(item)

    def _recall(self, item: FloatingIP) -> None:
        address, claimant = item.status.address, claimant_of(item)
        key = resolve_key(item.metadata.namespace or "", item.spec.network)
        network = self._objects.get(Network, key)
        if network is not None and address is not None:
            view = make_view(self._cluster_uid, network)
            held = Allocation(view.uid, next(macs_of(claimant, view)), (address,), guest=False)
            self._ledger.hold(claimant, held)


def record(floating_ip: FloatingIP, held: Allocation | None, ledger: Ledger) -> None:
    """Make what a FloatingIP has in the ledger exactly `held`."""
    if held is None:
        ledger.release(floating_ip.metadata.uid, CLAIM)
    else:
        ledger.hold(claimant_of(floating_ip), held)
