"""What FloatingIPs ask for and have on the wires of their networks, in the ledger.

Used by the controller of floating IPs alone: it builds `FloatingIPFeed`, and records what `plan` decided. No
I/O.
"""

from __future__ import annotations

from ipaddress import ip_address

from quantix_api import FloatingIP, Network
from quantix_api.references import resolve_key
from quantix_api.resources import FLOATING_IPS
from quantix_api.seniority import age_order
from quantix_client.reflector import Change
from quantix_operator.cache import Cache
from quantix_operator.floatingip.addresses import CLAIM, claimant_of, macs_of
from quantix_operator.ipam.ledger import Allocation, Ledger
from quantix_operator.objects import Objects
from quantix_operator.topology.view import make_view


class FloatingIPFeed:
    """Follows the FloatingIPs of the cache: what they ask for counts before they are looked at, and what they
    have is in the ledger before anything new is given out.
    """

    def __init__(self, cache: Cache, objects: Objects, ledger: Ledger, cluster_uid: str) -> None:
        self._objects = objects
        self._ledger = ledger
        self._cluster_uid = cluster_uid
        for floating_ip in sorted(objects.list(FloatingIP), key=age_order):
            self._recall(floating_ip)
            self._want(floating_ip)
        cache.subscribe(FLOATING_IPS, self._changed)

    def _changed(self, change: Change) -> None:
        if change.type == "DELETED":
            uid = change.object["metadata"].get("uid", "")
            self._ledger.want(uid, ())
            self._ledger.release(uid)
            return
        floating_ip = self._objects.get(FloatingIP, change.key)
        if floating_ip is not None:
            self._want(floating_ip)

    def _want(self, floating_ip: FloatingIP) -> None:
        asked, claimant = floating_ip.spec.address, claimant_of(floating_ip)
        key = resolve_key(floating_ip.metadata.namespace or "", floating_ip.spec.network)
        self._ledger.want(
            claimant.uid, [(key, str(ip_address(asked)), claimant)] if asked is not None else ()
        )

    def _recall(self, floating_ip: FloatingIP) -> None:
        address, claimant = floating_ip.status.address, claimant_of(floating_ip)
        key = resolve_key(floating_ip.metadata.namespace or "", floating_ip.spec.network)
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
