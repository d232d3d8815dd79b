"""Places guests on hosts: pure, total and deterministic.

Called by the placement controller, and by what-if and drill with worlds that never were. It promises room
as it goes, so that the guests of one pass cannot overcommit a host together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from quantix_operator.scheduling.filters import refusals
from quantix_operator.scheduling.model import Guest, Refusal, World
from quantix_operator.scheduling.occupancy import Occupancy
from quantix_operator.scheduling.scores import score


@dataclass(frozen=True)
class HostVerdict:
    """What one host lacks for the guest (empty: it fits), and the room it had when it was asked."""

    host: str
    refusals: tuple[Refusal, ...]
    free_memory_bytes: int
    free_cpu_millis: int


@dataclass(frozen=True)
class Decision:
    """`host` None: no host fits, and `verdicts` says why for each."""

    guest: Guest
    host: str | None
    verdicts: tuple[HostVerdict, ...]


def place(world: World, pending: Iterable[Guest]) -> tuple[Decision, ...]:
    """One decision for each pending guest, in the order of priority, then name."""
    occupancy = Occupancy(world)
    decisions = []
    for guest in sorted(pending, key=_rank):
        decision = _decide(guest, world, occupancy)
        if decision.host is not None:
            occupancy.add(guest, decision.host)
        decisions.append(decision)
    return tuple(decisions)


def _rank(guest: Guest) -> tuple[int, str, str, str]:
    return (-guest.priority, guest.namespace, guest.name, guest.uid)


def _decide(guest: Guest, world: World, occupancy: Occupancy) -> Decision:
    verdicts = tuple(
        HostVerdict(
            host.name,
            refusals(guest, host, occupancy),
            occupancy.free_memory_bytes(host),
            occupancy.free_cpu_millis(host),
        )
        for host in sorted(world.hosts, key=lambda host: host.name)
    )
    fitting = {verdict.host for verdict in verdicts if not verdict.refusals}
    scores = [score(guest, host, occupancy) for host in world.hosts if host.name in fitting]
    return Decision(guest, min(scores)[-1] if scores else None, verdicts)
