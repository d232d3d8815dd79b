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
from quantix_operator.scheduling.assignments import Course, Hold, Seat, Step, course, next_epoch
from quantix_operator.scheduling.model import Placed, World
from quantix_operator.scheduling.observe import Candidate, Observed
from quantix_operator.scheduling.plan import Decision, place
from quantix_operator.scheduling.verdict import scheduled_false, unfit_hosts

_WHAT_HAPPENED = {
    Hold.GUEST_SHUTDOWN: "powered itself off",
    Hold.CRASHED: "crashed",
    Hold.HOST_KILLER: "was on several hosts when they died",
}


@dataclass(frozen=True)
class Change:
    """A VM's new seat and its condition Scheduled. `urgent` False: a refusal, which may wait to be said.
    `news` False: the same as before, said of a newer spec. `unfit`: with a refusal, why for each host.
    """

    vm: VirtualMachine
    seat: Seat
    scheduled: Fact
    urgent: bool = True
    news: bool = True
    unfit: tuple[UnfitHosts, ...] = ()


@dataclass(frozen=True)
class PassPlan:
    changes: tuple[Change, ...] = ()
    look_again_at: datetime | None = None


def plan_pass(observed: Observed, now: datetime) -> PassPlan:
    """Every change that is due now; empty when all is as it should be."""
    courses = [(item, course(item.facts, now)) for item in observed.candidates]
    decisions = _place(observed, courses)
    changes = [
        change
        for item, taken in courses
        if (change := _change(item, taken, decisions.get(item.vm.metadata.uid))) is not None
    ]
    times = [taken.look_again_at for _, taken in courses if taken.look_again_at is not None]
    return PassPlan(tuple(changes), min(times, default=None))


def _place(observed: Observed, courses: list[tuple[Candidate, Course]]) -> dict[str, Decision]:
    """Only guests that keep their host count as placed: who gave it up asks anew, or leaves its room."""
    kept = tuple(
        Placed(item.guest, item.facts.seat.host)
        for item, taken in courses
        if taken.step is Step.KEEP and item.guest is not None and item.facts.seat.host is not None
    )
    pending = [
        item.guest
        for item, taken in courses
        if taken.step is Step.PLACE and item.guest is not None and item.facts.prepared
    ]
    decisions = place(World(observed.hosts, kept), pending)
    return {decision.guest.uid: decision for decision in decisions}


def _change(item: Candidate, taken: Course, decision: Decision | None) -> Change | None:
    before = item.facts.seat
    if taken.step is Step.PLACE and decision is not None:
        if decision.host is None:
            refusal = scheduled_false(decision)
            urgent = taken.seat != before
            news = urgent or _is_news(item, refusal)
            return Change(item.vm, taken.seat, refusal, urgent, news, unfit_hosts(decision))
        seat = Seat(decision.host, next_epoch(item.facts))
        return Change(item.vm, seat, _scheduled(item.vm.metadata.name, seat))
    if taken.seat != before:
        return Change(item.vm, taken.seat, _scheduled(item.vm.metadata.name, taken.seat))
    return _said_again(item, taken)


def _said_again(item: Candidate, taken: Course) -> Change | None:
    """What still holds under a spec that changed: whoever waits for Scheduled waits for the newest."""
    said = item.vm.status.condition("Scheduled")
    if said is None or said.observed_generation == item.vm.metadata.generation or item.facts.deleting:
        return None
    settled = taken.step in (Step.KEEP, Step.HELD) or item.facts.power_state == "Stopped"
    if not settled:
        return None
    scheduled = _scheduled(item.vm.metadata.name, taken.seat)
    return Change(item.vm, taken.seat, scheduled, news=_is_news(item, scheduled))


def _is_news(item: Candidate, scheduled: Fact) -> bool:
    said = item.vm.status.condition("Scheduled")
    return said is None or said.reason != scheduled.reason


def _scheduled(name: str, seat: Seat) -> Fact:
    """Scheduled of a VM that has this seat, whatever else it may want."""
    if seat.host is not None:
        return fact("Scheduled", "True", "Assigned", host=seat.host)
    if seat.hold is None:
        return fact("Scheduled", "False", "NotWanted")
    return fact("Scheduled", "False", "Held", what=_WHAT_HAPPENED[Hold(seat.hold)], name=name)
