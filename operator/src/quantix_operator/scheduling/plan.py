"""Places guests on hosts: pure, total and deterministic.

`place` is called by the placement controller, `decide` also by migrations, maintenance, the balancer and
what-ifs, of worlds that never were. Room is promised as they go, so that the guests of one pass cannot
overcommit a host together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from quantix_operator.scheduling.filters import free_cpus, refusals
from quantix_operator.scheduling.model import Guest, HostView, Refusal, World
from quantix_operator.scheduling.occupancy import Occupancy
from quantix_operator.scheduling.scores import score

Rank = tuple[int, bool, str, str, str, str]


@dataclass(frozen=True)
class HostVerdict:
    """What one host lacks for the guest (empty: it fits), and the room it had when it was asked: memory, and
    CPUs as the guest counts them, each of the host's for `cpu_percent` / 100.
    """

    host: str
    refusals: tuple[Refusal, ...]
    free_memory_bytes: int
    free_cpus: int
    cpu_percent: int


@dataclass(frozen=True)
class Decision:
    """`host` None: no host fits, and `verdicts` says why for each."""

    guest: Guest
    host: str | None
    verdicts: tuple[HostVerdict, ...]


def place(world: World, pending: Iterable[Guest]) -> tuple[Decision, ...]:
    """One decision for each pending guest, in their order (`rank`)."""
    occupancy = Occupancy(world)
    decisions = []
    for guest in sorted(pending, key=rank):
        decision = decide(guest, world.hosts, occupancy)
        if decision.host is not None:
            occupancy.add(guest, decision.host)
        decisions.append(decision)
    return tuple(decisions)


def rank(guest: Guest) -> Rank:
    """Sorts guests by whose turn it is: the higher priority, then whoever ran until its host was shut down,
    then the elder; names decide what is left.
    """
    age = (guest.created, guest.namespace, guest.name, guest.uid)
    return (-guest.priority, not guest.returning, *age)


def decide(
    guest: Guest,
    hosts: Sequence[HostView],
    occupancy: Occupancy,
    refused_by: Mapping[str, tuple[Refusal, ...]] | None = None,
) -> Decision:
    """The best of `hosts` for one guest; `refused_by`: by host, what speaks against it and no filter."""
    also = refused_by or {}
    verdicts = tuple(
        HostVerdict(
            host.name,
            (*refusals(guest, host, occupancy), *also.get(host.name, ())),
            occupancy.free_memory_bytes(host),
            *free_cpus(guest, host, occupancy),
        )
        for host in sorted(hosts, key=lambda host: host.name)
    )
    fitting = {verdict.host for verdict in verdicts if not verdict.refusals}
    scores = [score(guest, host, occupancy) for host in hosts if host.name in fitting]
    return Decision(guest, min(scores)[-1] if scores else None, verdicts)
