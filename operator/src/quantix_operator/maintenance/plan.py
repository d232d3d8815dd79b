"""Which VMs leave a host in maintenance, and what keeps the others there. Pure.

The more important VM goes first, then the larger one: what is hardest to find room for is moved while there
is most of it, and of what is left over in the end the least important stays. Called by the controller with
one look at all hosts in maintenance, so that no room is promised twice.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from quantix_api.facts import Fact, fact
from quantix_api.message_table_phrases import IS_PAUSED
from quantix_api.message_text import cause_of
from quantix_operator.maintenance.model import Create, Leaving, Observed, Plan
from quantix_operator.migration.asking import name_of
from quantix_operator.migration.queue import refused, where_to
from quantix_operator.scheduling.model import World
from quantix_operator.scheduling.occupancy import Occupancy

AGAIN_AFTER = timedelta(minutes=5)
"""What failed is not tried at once again: most often it would fail for the same reason."""


def plan_maintenance(observed: Observed, now: datetime) -> Plan:
    """What is to be asked for now."""
    occupancy = Occupancy(observed.world)
    create: list[Create] = []
    stays: dict[str, tuple[str, str]] = {}
    times = []
    for item in sorted(observed.leaving, key=_turn):
        why = _keeps(item, now) or _room(item, observed.world, occupancy)
        if why is None:
            create.append(Create(_name(item), item))
        else:
            stays.setdefault(item.host, (item.vm.metadata.name, f"{cause_of(why.message)} ({why.reason})"))
        if item.ended is not None and item.ended.status.finished_at is not None:
            times.append(item.ended.status.finished_at + AGAIN_AFTER)
    ahead = [at for at in times if at > now]
    return Plan(tuple(create), observed.needless, stays, min(ahead, default=None))


def _turn(item: Leaving) -> tuple[int, int, str]:
    memory_bytes = item.prospect.guest.memory_bytes if item.prospect is not None else 0
    return -item.vm.spec.ha.priority, -memory_bytes, item.vm.key


def _keeps(item: Leaving, now: datetime) -> Fact | None:
    vm = item.vm
    if vm.spec.migration.on_maintenance == "Block":
        return fact("Migratable", "False", "PolicyBlock")
    if vm.spec.power_state == "Paused":
        return fact("Ready", "False", "NotRunning", name=vm.metadata.name, state=IS_PAUSED)
    if item.prospect is not None and item.prospect.kept_by is not None:
        return item.prospect.kept_by
    ended = item.ended
    if ended is None or ended.status.finished_at is None or ended.status.finished_at + AGAIN_AFTER <= now:
        return None
    ready = ended.status.condition("Ready")
    return Fact("Ready", "False", ready.reason, ready.message) if ready is not None else None


def _room(item: Leaving, world: World, occupancy: Occupancy) -> Fact | None:
    """Why no other host takes it; None: one does, and its room there is taken from now on."""
    if item.prospect is None:
        return fact("Ready", "False", "NoHostFits")
    decision = where_to(item.prospect, world, occupancy)
    if decision.host is None:
        return refused(decision, item.prospect, item.vm.metadata.name, None)
    occupancy.add(item.prospect.guest, decision.host)
    return None


def _name(item: Leaving) -> str:
    return name_of(item.vm, item.host_uid, item.ended.metadata.uid if item.ended is not None else "")
