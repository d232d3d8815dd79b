"""One scheduling pass: from what was observed to the assignments that change.

Pure; called by the placement controller. All VMs are decided in one pass, so that none is promised what
another got.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from quantix_api import VirtualMachine
from quantix_api.facts import Fact, fact
from quantix_api.vm_status import UnfitHosts
from quantix_operator.scheduling.assignments import Assignment, Hold, Step, Transition, next_epoch, transition
from quantix_operator.scheduling.model import Placed, World
from quantix_operator.scheduling.observe import Candidate, Observed
from quantix_operator.scheduling.order import deadline, waiting_fact
from quantix_operator.scheduling.plan import Decision, Rank, place, rank
from quantix_operator.scheduling.verdict import scheduled_false, unfit_hosts

_WHAT_HAPPENED = {
    Hold.GUEST_SHUTDOWN: "powered itself off",
    Hold.CRASHED: "crashed",
    Hold.HOST_KILLER: "was on several hosts when they died",
}


@dataclass(frozen=True)
class Change:
    """A VM's new assignment and its condition Scheduled. `urgent` False: a refusal, which may wait.
    `news` False: the same as before, said of a newer spec. `unfit`: with a refusal, why for each host.
    `without`: those that it starts before, after it waited for them in vain.
    """

    vm: VirtualMachine
    assignment: Assignment
    scheduled: Fact
    urgent: bool = True
    news: bool = True
    unfit: tuple[UnfitHosts, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def about(self) -> VirtualMachine:
        return self.vm


@dataclass(frozen=True)
class PassPlan:
    changes: tuple[Change, ...] = ()
    look_again_at: datetime | None = None


def plan_pass(observed: Observed, now: datetime) -> PassPlan:
    """Every change that is due now, in the order of `rank`; empty when all is as it should be."""
    candidates = sorted(observed.candidates, key=_rank)
    transitions = [(item, _in_order(item, transition(item.facts, now), now)) for item in candidates]
    decisions = _place(observed, transitions)
    changes = [
        change
        for item, taken in transitions
        if (change := _change(item, taken, decisions.get(item.vm.metadata.uid))) is not None
    ]
    times = [taken.look_again_at for _, taken in transitions if taken.look_again_at is not None]
    return PassPlan(tuple(changes), min(times, default=None))


def _rank(item: Candidate) -> tuple[bool, Rank | tuple[()], str]:
    """Who asks for nothing yet comes last."""
    return item.guest is None, () if item.guest is None else rank(item.guest), item.vm.key


def _in_order(item: Candidate, taken: Transition, now: datetime) -> Transition:
    """Who asks for a place before it is its turn waits, for a time."""
    if item.awaited is None or taken.step is not Step.PLACE or not item.facts.prepared:
        return taken
    until = deadline(item.vm, now)
    return Transition(Step.WAIT, taken.assignment, until) if now < until else taken


def _place(observed: Observed, transitions: list[tuple[Candidate, Transition]]) -> dict[str, Decision]:
    """Only guests that keep their host count as placed: who gave it up asks anew, or leaves its room."""
    kept = tuple(
        placed for item, taken in transitions if taken.step is Step.KEEP for placed in places_of(item)
    )
    pending = [
        item.guest
        for item, taken in transitions
        if taken.step is Step.PLACE and item.guest is not None and item.facts.prepared
    ]
    decisions = place(World(observed.hosts, (*kept, *observed.coming)), pending)
    return {decision.guest.uid: decision for decision in decisions}


def places_of(item: Candidate) -> tuple[Placed, ...]:
    """Where the VM takes room: while it moves on both hosts."""
    move = item.vm.status.migration
    hosts = (item.facts.assignment.host, move.target_host if move is not None else None)
    return () if item.guest is None else tuple(Placed(item.guest, host) for host in hosts if host is not None)


def _change(item: Candidate, taken: Transition, decision: Decision | None) -> Change | None:
    before = item.facts.assignment
    if taken.step is Step.WAIT and item.awaited is not None and taken.look_again_at is not None:
        waits = waiting_fact(item.awaited, taken.look_again_at)
        news = _is_news(item, waits)
        # said at once: its time counts from there
        return Change(item.vm, taken.assignment, waits, urgent=news or taken.assignment != before, news=news)
    if taken.step is Step.PLACE and decision is not None:
        if decision.host is None:
            refusal = scheduled_false(decision)
            urgent = taken.assignment != before
            news = urgent or _is_news(item, refusal)
            return Change(item.vm, taken.assignment, refusal, urgent, news, unfit_hosts(decision))
        assignment = Assignment(decision.host, next_epoch(item.facts))
        without = item.awaited.names if item.awaited is not None else ()
        return Change(item.vm, assignment, scheduled_fact(item.vm.metadata.name, assignment), without=without)
    if taken.assignment != before:
        return Change(item.vm, taken.assignment, scheduled_fact(item.vm.metadata.name, taken.assignment))
    return _said_again(item, taken)


def _said_again(item: Candidate, taken: Transition) -> Change | None:
    """What still holds under a spec that changed: whoever waits for Scheduled waits for the newest."""
    said = item.vm.status.condition("Scheduled")
    if said is None or said.observed_generation == item.vm.metadata.generation or item.facts.deleting:
        return None
    settled = taken.step in (Step.KEEP, Step.HELD) or item.facts.power_state == "Stopped"
    if not settled:
        return None
    scheduled = scheduled_fact(item.vm.metadata.name, taken.assignment)
    return Change(item.vm, taken.assignment, scheduled, news=_is_news(item, scheduled))


def _is_news(item: Candidate, scheduled: Fact) -> bool:
    said = item.vm.status.condition("Scheduled")
    return said is None or said.reason != scheduled.reason


def scheduled_fact(name: str, assignment: Assignment) -> Fact:
    """Scheduled of a VM that has this assignment, whatever else it may want."""
    if assignment.host is not None:
        return fact("Scheduled", "True", "Assigned", host=assignment.host)
    if assignment.hold is None:
        return fact("Scheduled", "False", "NotWanted")
    return fact("Scheduled", "False", "Held", what=_WHAT_HAPPENED[Hold(assignment.hold)], name=name)
