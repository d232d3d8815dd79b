"""What FloatingIPs ask for and have on the wires of their networks, in the ledger.

Used by the controller of floating IPs alone: it builds `FloatingIPFeed`, and records what `plan` decided. No
I/O.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from quantix_api import FloatingIP, Network
from quantix_api.references import resolve_key
from quantix_operator.claim_feed import ClaimFeed
from quantix_operator.floatingip.addresses import CLAIM, claimant_of, macs_of
from quantix_operator.ipam.ledger import Allocation, Claimant, Ledger
from quantix_operator.topology.view import make_view


class FloatingIPFeed(ClaimFeed[FloatingIP]):
    """Of the FloatingIPs."""

    kind = FloatingIP

    def _wants(self, item: FloatingIP) -> Iterator[tuple[str, str, Claimant]]:
        if item.spec.address is not None:
            key = resolve_key(item.metadata.namespace or "", item.spec.network)
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
