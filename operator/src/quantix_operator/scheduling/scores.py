"""Which of the hosts that fit is best: the smallest score, ties by name, so that the answer never varies.

Pure; called by `plan.decide` only.
"""

from __future__ import annotations

from quantix_operator.scheduling.filters import meets
from quantix_operator.scheduling.model import Guest, HostView, cpu_request_millis
from quantix_operator.scheduling.occupancy import Occupancy

Score = tuple[int, int, int, int, str]


def score(guest: Guest, host: HostView, occupancy: Occupancy) -> Score:
    """Discouraging taints, broken preferences, the load that the host would have; of equals the images that
    it would have to fetch: that takes a moment once, load stays.
    """
    return (
        _discouraging_taints(guest, host),
        _broken_preferences(guest, host, occupancy),
        load_permille(guest, host, occupancy),
        len(guest.images - host.images),
        host.name,
    )


def load_permille(guest: Guest, host: HostView, occupancy: Occupancy) -> int:
    """The scarcer of CPU and memory with the guest on the host, in thousandths of what may be promised."""
    cpu = occupancy.promised_cpu_millis(host.name) + cpu_request_millis(guest, host)
    memory = occupancy.promised_memory_bytes(host.name) + guest.memory_bytes
    return max(cpu * 1000 // max(host.cpu_millis, 1), memory * 1000 // max(host.memory_bytes, 1))


def _discouraging_taints(guest: Guest, host: HostView) -> int:
    return sum(
        taint.effect == "PreferNoSchedule" and not any(t.covers(taint) for t in guest.tolerations)
        for taint in host.taints
    )


def _broken_preferences(guest: Guest, host: HostView, occupancy: Occupancy) -> int:
    alone = sum(not rule.required and not meets(guest, rule, host, occupancy) for rule in guest.affinity)
    together = sum(not rule.required and meets(guest, rule, host, occupancy) for rule in guest.anti_affinity)
    return alone + together
