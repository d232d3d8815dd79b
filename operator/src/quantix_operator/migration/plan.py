"""What is to be done about every migration, from what was observed. Pure.

    waits ──its turn──► Choose, Name ──► prepared ──► copying ──► HandedOver, Running ──► GiveVolume, CutOver
      │                                     └── the source's GaveUp ──► LetGo                    │
      └── can never begin ──► Failed, Cancelled ◄──┘                                Succeeded ◄──┘

Whose VM was not named at once waits again before that, with its hosts.

A target that says Lost in the place of Running has the VM all the same, which starts there anew: Failed.

Every write is one action, and every state that a leader can leave behind by ending between two of them leads
on: the source's word decides, never what a leader remembers (docs/adr/0044). That a VM names a migration ends
only with such a word, also where the migration was told to be over, by a late write of a former leader.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from quantix_api import VirtualMachine
from quantix_operator.migration.beginning import not_running, others_first
from quantix_operator.migration.model import (
    Action,
    Choose,
    CutOver,
    GiveVolume,
    LetGo,
    Move,
    Name,
    Observed,
    Plan,
    Remove,
    Steps,
)
from quantix_operator.migration.queue import Queue
from quantix_operator.migration.verdicts import (
    cancelled,
    denied,
    failed,
    gave_up,
    handed_epoch,
    has_acted,
    is_denied,
    lost_memory,
    lost_on_the_way,
    lost_track,
    succeeded,
    under_way,
)
from quantix_operator.vmwork.telling import Release, Tell
from quantix_operator.volumedata.right import is_open_in, needs_confirming


def plan_migrations(observed: Observed, now: datetime) -> Plan:
    """The steps of every migration that has any, in turn."""
    queue = Queue(observed)
    steps = []
    times = []
    for move in observed.moves:
        actions = _actions(move, observed, queue, now)
        if actions:
            steps.append(Steps(move, actions))
        ends = _ends_at(move)
        if ends is not None and ends > now:
            times.append(ends)
    return Plan(tuple(steps), min(times, default=None))


def _actions(move: Move, observed: Observed, queue: Queue, now: datetime) -> tuple[Action, ...]:
    status = move.migration.status
    if move.is_named and status.started_at is None:
        return _chosen_again(move, observed, now)
    if move.is_named:
        return _named(move, observed)
    if move.is_over:
        return _after(move, now)
    if status.started_at is not None:
        return _unnamed(move, observed)
    if move.migration.deleting:
        return (Release(),)
    if move.migration.spec.cancel:
        return (cancelled(move),)
    return _begin(move, queue, now)


def _begin(move: Move, queue: Queue, now: datetime) -> tuple[Action, ...]:
    found = queue.ask(move)
    if isinstance(found, Tell):
        return (found,)
    assert move.vm is not None
    assert move.prospect is not None
    source, uid = move.prospect.source, move.vm.metadata.uid
    begun = _with_hosts(move, source, found)
    return Choose(uid, source, found, now), Name(source, found), under_way(begun, {})


def _chosen_again(move: Move, observed: Observed, now: datetime) -> tuple[Action, ...]:
    """The VM remembers more than the migration, as in an API that was restored."""
    assert move.vm is not None
    named = move.vm.status.migration
    assert named is not None
    begun = _with_hosts(move, named.source_host, named.target_host)
    chosen = Choose(move.vm.metadata.uid, named.source_host, named.target_host, now)
    return chosen, *_told(move, under_way(begun, observed.silent))


def _named(move: Move, observed: Observed) -> tuple[Action, ...]:
    """Hosts act: only their words end it."""
    source, target, vm = move.migration.status.source, move.migration.status.target, move.vm
    if is_denied(move.migration):
        return (LetGo(), *_told(move, denied(move)))
    if source is not None and source.outcome == "GaveUp":
        return (LetGo(), *_told(move, gave_up(move, observed.silent)))
    epoch = handed_epoch(move)
    is_there = target is not None and target.outcome in ("Running", "Lost")
    if epoch is not None and vm is not None and is_there:
        host = move.migration.status.target_host or ""
        return (*_volumes(move, vm, host), CutOver(host, epoch), *_told(move, _arrived(move)))
    return _told(move, under_way(move, observed.silent))


def _arrived(move: Move) -> Tell:
    return lost_memory(move) if lost_on_the_way(move.migration) else succeeded(move)


def _volumes(move: Move, vm: VirtualMachine, target: str) -> tuple[Action, ...]:
    """Before the VM: a volume that is said to be with a host that the VM never had would be taken back. Of
    those that every host reaches the guest takes along what it has open.
    """
    opened = {volume.metadata.uid for volume in move.shared if is_open_in(volume, vm)}
    come = (*move.volumes, *(volume for volume in move.shared if volume.metadata.uid in opened))
    there = (target, target)
    left = (item for item in come if (item.status.host, item.status.confirmed_host) != there)
    stay = (volume for volume in move.shared if volume.metadata.uid not in opened)
    kept = (volume for volume in stay if needs_confirming(volume, vm, target))
    return (
        *(GiveVolume(volume, target) for volume in left),
        *(GiveVolume(volume, volume.status.host or "") for volume in kept),
    )


def _unnamed(move: Move, observed: Observed) -> tuple[Action, ...]:
    """Chosen, and the VM does not say so: it was not written yet, or it is over and that was not told."""
    status, vm = move.migration.status, move.vm
    source = status.source
    if is_denied(move.migration):
        return _told(move, denied(move))
    if source is not None and source.outcome == "GaveUp":
        return _told(move, gave_up(move, observed.silent))
    assignment = vm.status.assignment if vm is not None else None
    epoch = handed_epoch(move)
    if vm is None or assignment is None:
        return _told(move, lost_track())
    if epoch is not None and assignment.epoch >= epoch:
        return _told(move, _arrived(move))
    if vm.status.migration is not None or assignment.host != status.source_host:
        return _told(move, lost_track())
    silent = not has_acted(move.migration)
    if silent and (move.migration.spec.cancel or move.migration.deleting or vm.deleting):
        return _told(move, cancelled(move))
    if silent and (held := _held_back(move, vm)) is not None:
        return _told(move, held)
    names = Name(status.source_host or "", status.target_host or "")
    return names, *_told(move, under_way(move, observed.silent))


def _held_back(move: Move, vm: VirtualMachine) -> Tell | None:
    """What has begun with the VM since its hosts were chosen: nothing kept it away."""
    refusal = not_running(vm)
    return failed(refusal) if refusal is not None else others_first(move, vm)


def _told(move: Move, told: Tell) -> tuple[Action, ...]:
    """What was told to be over stays so."""
    return () if move.is_over else (told,)


def _after(move: Move, now: datetime) -> tuple[Action, ...]:
    ends = _ends_at(move)
    if move.migration.deleting:
        return (Release(),)
    return (Remove(),) if ends is not None and ends <= now else ()


def _ends_at(move: Move) -> datetime | None:
    finished = move.migration.status.finished_at
    if finished is None or move.is_named:
        return None
    return finished + timedelta(seconds=move.migration.spec.ttl_seconds_after_finished)


def _with_hosts(move: Move, source: str, target: str) -> Move:
    """As it is once the hosts are written."""
    status = move.migration.status.model_copy(update={"source_host": source, "target_host": target})
    return replace(move, migration=move.migration.model_copy(update={"status": status}))
