"""Which VMs leave a host in maintenance, and what keeps the others there. Pure.

They leave in the order in which migrations have their turns (`leaving_order`). Called by the controller with
one look at all hosts in maintenance, so that no room is promised twice; what keeps a VM there (`keeps`,
`unheard`, `lacks_room`) also by what-ifs.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from quantix_api import VirtualMachine
from quantix_api.facts import Fact, fact
from quantix_api.message_text import cause_of
from quantix_operator.maintenance.model import Create, Observed, Plan, Staying
from quantix_operator.migration.asking import name_of
from quantix_operator.migration.beginning import not_running, where_to
from quantix_operator.migration.turns import LeavingOrder, leaving_order
from quantix_operator.scheduling.model import World
from quantix_operator.scheduling.occupancy import Occupancy
from quantix_operator.scheduling.plan import Decision
from quantix_operator.scheduling.verdict import scheduled_false

AGAIN_AFTER = timedelta(minutes=5)
"""What failed is not tried at once again: most often it would fail for the same reason."""


def plan_maintenance(observed: Observed, now: datetime) -> Plan:
    """What is to be asked for now."""
    occupancy = Occupancy(observed.world)
    create: list[Create] = []
    stays: dict[str, tuple[str, str]] = {}
    times = []
    for item in sorted(observed.staying, key=_turn):
        why = _keeps_yet(item, now) or _room(item, observed.world, occupancy)
        if why is None:
            create.append(Create(_name(item), item))
        else:
            stays.setdefault(item.host, (item.vm.metadata.name, f"{cause_of(why.message)} ({why.reason})"))
        if item.ended is not None and item.ended.status.finished_at is not None:
            times.append(item.ended.status.finished_at + AGAIN_AFTER)
    ahead = [at for at in times if at > now]
    return Plan(tuple(create), observed.needless, stays, min(ahead, default=None))


def _turn(item: Staying) -> LeavingOrder:
    if item.prospect is not None:
        return leaving_order(item.prospect.guest)
    metadata = item.vm.metadata
    return -item.vm.spec.ha.priority, 0, metadata.namespace or "", metadata.name


def keeps(vm: VirtualMachine, kept_by: Fact | None) -> Fact | None:
    """What keeps a VM on a host that is to be emptied; `kept_by`: what it has that no other host can give."""
    if vm.spec.migration.on_maintenance == "Block":
        return fact("Migratable", "False", "PolicyBlock")
    if vm.spec.power_state == "Paused":
        return not_running(vm)
    return kept_by


def unheard(host: str, since: str) -> Fact | None:
    """What keeps every VM on a silent host: nobody reaches its guests, and nothing proves that they ended."""
    return fact("Ready", "Unknown", "HostUnreachable", host=host, at=since) if since else None


def lacks_room(decision: Decision) -> Fact:
    """Why no other host takes it."""
    return scheduled_false(decision) if decision.verdicts else fact("Migratable", "False", "NoOtherHost")


def _keeps_yet(item: Staying, now: datetime) -> Fact | None:
    has = item.prospect.kept_by if item.prospect is not None else None
    why = unheard(item.host, item.silent_since) or keeps(item.vm, has)
    if why is not None:
        return why
    ended = item.ended
    if ended is None or ended.status.finished_at is None or ended.status.finished_at + AGAIN_AFTER <= now:
        return None
    ready = ended.status.condition("Ready")
    return Fact("Ready", "False", ready.reason, ready.message) if ready is not None else None


def _room(item: Staying, world: World, occupancy: Occupancy) -> Fact | None:
    """Why no other host takes it; None: one does, and its room there is taken from now on."""
    if item.prospect is None:
        return fact("Ready", "False", "NoHostFits")
    decision = where_to(item.prospect, world, occupancy)
    if decision.host is None:
        return lacks_room(decision)
    occupancy.add(item.prospect.guest, decision.host)
    return None


def _name(item: Staying) -> str:
    return name_of(item.vm, item.host_uid, item.ended.metadata.uid if item.ended is not None else "")
