"""From cached objects to what a what-if is played on. Reads the cache only.

Which VMs may leave is read from their conditions, Migratable and Protected: those are what the platform
promises, and whoever works them out is the one to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from quantix_api import Host, VirtualMachine
from quantix_api.facts import Fact, fact
from quantix_api.host_plan import Question
from quantix_operator.maintenance.plan import keeps, unheard
from quantix_operator.migration.observe import coming_to, limits_of, moves_under_way
from quantix_operator.migration.prospects import (
    bytes_by_pool,
    local_volumes,
    pool_room,
    running_refusals,
    volumes_of,
)
from quantix_operator.objects import Objects
from quantix_operator.scheduling.assignments import Step, transition
from quantix_operator.scheduling.host_reading import lost_since
from quantix_operator.scheduling.model import Placed
from quantix_operator.scheduling.observe import Candidate, guest_of, sizing_of
from quantix_operator.scheduling.observe import observe as observe_placement
from quantix_operator.scheduling.pass_plan import places_of
from quantix_operator.scheduling.sizing import given
from quantix_operator.whatif.model import Leaver, Played


def observe(objects: Objects, question: Question, source: Host, now: datetime) -> Played:
    """Everything that is played if this host goes."""
    name = source.metadata.name
    placement = observe_placement(objects)
    placed: list[Placed] = []
    leavers, pending = [], []
    for item in placement.candidates:
        step = transition(item.facts, now).step
        host = item.facts.assignment.host
        if step is Step.PLACE and item.guest is not None and item.facts.prepared:
            pending.append(item.guest)
        elif step is Step.KEEP and item.guest is not None and host is not None:
            found = _leaver(objects, question, item, source) if host == name and _is_wanted(item) else None
            if found is not None:
                leavers.append(found)
            placed += (place for place in places_of(item) if found is None or place.host == found.bound_for)
    return Played(
        host=name,
        hosts=placement.hosts,
        placed=tuple(placed),
        leavers=tuple(leavers),
        pending=tuple(pending),
        pool_free=_pool_free(objects),
        at_once=_at_once(objects),
    )


def _is_wanted(item: Candidate) -> bool:
    """One that is to be off, or gone, leaves by itself and is started nowhere."""
    return item.facts.power_state != "Stopped" and not item.facts.deleting


def _leaver(objects: Objects, question: Question, item: Candidate, source: Host) -> Leaver | None:
    """With what it asks of a host that it does not have yet; None while its size is not known."""
    vm = item.vm
    size = given(vm, sizing_of(objects, vm))
    if size is None:
        return None
    guest = guest_of(objects, vm, size, volumes_of(objects, vm))
    data = bytes_by_pool(local_volumes(objects, vm))
    if question == "host-loss":
        after = tuple(f"{vm.metadata.namespace}/{name}" for name in vm.spec.ha.after)
        return Leaver(
            guest,
            _told(vm, "Protected", source.metadata.name),
            after=after,
            after_timeout_s=vm.spec.ha.after_timeout_seconds,
        )
    if (silent := unheard(source.metadata.name, lost_since(source))) is not None:
        return Leaver(guest, silent)
    move = vm.status.migration
    if move is not None and move.source_host == source.metadata.name:
        return Leaver(guest, bound_for=move.target_host, data=data)
    if vm.spec.migration.on_maintenance == "Stop":
        return Leaver(guest, stops=True, grace_s=vm.spec.grace_period_seconds)
    others = (host for host in objects.list(Host) if host.metadata.name != source.metadata.name)
    return Leaver(
        guest,
        keeps(vm, _told(vm, "Migratable", source.metadata.name)),
        data=data,
        refused_by={host.metadata.name: tuple(running_refusals(vm, source, host)) for host in others},
    )


def _told(vm: VirtualMachine, condition: str, host: str) -> Fact | None:
    """Why it does not leave, as its condition tells; a VM that was told nothing yet is starting."""
    told = vm.status.condition(condition)
    if told is None:
        return fact("Ready", "False", "Starting", host=host)
    return None if told.status == "True" else Fact(condition, "False", told.reason, told.message)


def _pool_free(objects: Objects) -> Mapping[tuple[str, str], int]:
    coming = coming_to(moves_under_way(objects))
    return {
        (host.metadata.name, pool): size
        for host in objects.list(Host)
        for pool, size in pool_room(host, coming).items()
    }


def _at_once(objects: Objects) -> int:
    limits = limits_of(objects)
    return min(limits.per_host, limits.per_cluster)
