"""What keeps a Network that is programmed from serving guests as it says: pure. Called by its controller.

Such a Network goes on for whoever is in it; it says why it is of no use to others.
"""

from __future__ import annotations

from collections.abc import Sequence

from quantix_api.facts import Fact, fact
from quantix_operator.topology.view import GENEVE_OVERHEAD_BYTES, NetworkView


def unfit(view: NetworkView, mtu: int, underlay_mtus: Sequence[int]) -> Fact | None:
    """A subnet without an address for anybody, or packets that do not fit between hosts. `mtu` is the one
    that counts, `underlay_mtus` what each host that said so carries, in bytes.
    """
    empty = next((subnet.cidr for subnet in view.subnets if not subnet.slaac and not subnet.pool.size), None)
    if empty is not None:
        return fact("Ready", "False", "AddressesExhausted", subnet=empty)
    return _too_large(view, mtu, underlay_mtus)


def _too_large(view: NetworkView, mtu: int, underlay_mtus: Sequence[int]) -> Fact | None:
    """Of an overlay whose spec names its MTU; of one that was chosen, a host that has less says so."""
    between_hosts = view.overlay and len(underlay_mtus) > 1
    if view.network.spec.mtu is None or not between_hosts:
        return None
    found = min(underlay_mtus)
    fits = found - GENEVE_OVERHEAD_BYTES
    if mtu <= fits:
        return None
    wanted = mtu + GENEVE_OVERHEAD_BYTES
    return fact("Ready", "False", "UnderlayTooSmall", mtu=mtu, wanted=wanted, found=found, fits=fits)
