"""Decides the next steps of a VM on this host. Pure and total; the rules are ha.md's and hypervisor.md's.

```
             assignment names me          QEMU gone, may start again
  Absent ───────────────► Starting ──► Running ──────► Inactive ─┐
    ▲                        ▲                            │  │   │ backoff
    │                        └────────────────────────────┼──┴───┘
    └──── Released ◄── Releasing (undefine, scan, free claims, ports) ◄┘ stopped, deleted, held
```
A VM is destroyed only on positive evidence: a spec that says so, its deletion, or a claim that no longer
names this host. A VM that this host has not, or no longer (`orphan_plan`), or an API that is away, stops
nothing.
"""

from __future__ import annotations

from dataclasses import replace

from quantix_api.errors import InvariantError, QuantixError
from quantix_api.times import render_epoch_time, render_time
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.virtualmachine.actions import (
    Action,
    Destroy,
    EnsureNoProcess,
    FreeClaims,
    RemoveDirectories,
    RemoveLocalState,
    RemovePorts,
    SaveRecord,
    SaveState,
    Undefine,
)
from quantix_hostd.virtualmachine.cpu_places import with_cpus
from quantix_hostd.virtualmachine.deaths import Death, classify, note_death, restarts_after
from quantix_hostd.virtualmachine.device_places import with_devices
from quantix_hostd.virtualmachine.firmware import keeps_state
from quantix_hostd.virtualmachine.leaving_plan import plan_leaving, without_leaving
from quantix_hostd.virtualmachine.memory_actions import ForgetMemory
from quantix_hostd.virtualmachine.memory_plan import marked_here
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.orphan_plan import plan_missing
from quantix_hostd.virtualmachine.process_waits import PROCESS_LOOK_S, orphaned
from quantix_hostd.virtualmachine.record import LastExit, Record, StopReason
from quantix_hostd.virtualmachine.record_places import (
    place_of_state,
    with_live_places,
    without_disks_of_spec,
)
from quantix_hostd.virtualmachine.running_plan import plan_process_end, plan_running
from quantix_hostd.virtualmachine.start_plan import known_record, plan_start
from quantix_hostd.virtualmachine.steps import Plan, with_record

_LEFT_BEHIND_S = 30.0


def plan_virtual_machine(observed: Observed) -> Plan:
    """The actions that bring this host nearer to what the API wants, in order."""
    if not observed.synced:
        return Plan(observed.record)
    return with_devices(observed, with_cpus(observed, _plan(observed)))


def _plan(observed: Observed) -> Plan:
    if observed.vm is None or not observed.is_mine:
        return plan_leaving(observed, observed.record, None) or plan_missing(observed)
    record = known_record(observed)
    leaving = plan_leaving(observed, record, stop_reason(observed, record))
    if leaving is not None:
        return leaving
    record = without_leaving(observed, record)
    if observed.domain is not None and observed.domain.active:
        if observed.domain_epoch != observed.epoch:
            return _plan_stale(observed, record)
        return _plan_active(observed, record)
    return _plan_inactive(observed, record)


def stop_reason(observed: Observed, record: Record) -> StopReason | None:
    """Why the guest shall end, None when it shall run (or be paused)."""
    assert observed.vm is not None
    if observed.vm.metadata.deletion_timestamp is not None:
        return StopReason.DELETING
    if observed.shutting_down:
        return StopReason.HOST_SHUTDOWN
    if observed.vm.spec.power_state == "Stopped" or observed.vm.status.restore is not None:
        return StopReason.REQUESTED
    restart = observed.vm.spec.restart
    if restart is None or restart.mode == "Reset":
        return None
    due = restart.at.timestamp() <= observed.wall_s and render_time(restart.at) > record.handled_restart_at
    return StopReason.RESTART if due else None


def _plan_active(observed: Observed, record: Record) -> Plan:
    assert observed.domain is not None
    if not record.started:
        record = _adopted(observed, record)
    record = with_live_places(observed, record)
    if places := marked_here(observed):
        # before it goes on, or it would meet that memory again
        return with_record(observed, record, ForgetMemory(places), requeue_after_s=0.0)
    if observed.domain.is_half:
        # nobody waits for it any more
        return with_record(observed, record, Destroy(graceful=False), requeue_after_s=0.0)
    if observed.domain.state is DomainState.CRASHED:
        # on_crash=preserve keeps QEMU: what the death means is decided as for one that is gone
        return with_record(observed, _buried(observed, record), Destroy(graceful=False), requeue_after_s=0.0)
    pid = observed.processes[0].pid if len(observed.processes) == 1 else record.pid
    return plan_running(observed, replace(record, pid=pid), stop_reason(observed, record))


def _plan_inactive(observed: Observed, record: Record) -> Plan:
    if observed.processes:
        return _plan_orphan_process(observed, record, stop_reason(observed, record))
    why = stop_reason(observed, record)
    if record.started:
        record = _buried(observed, record)
        record = replace(record, ended=record.ended or why not in (None, StopReason.RESTART))
    elif why not in (None, StopReason.RESTART):
        record = _ended_as(
            observed, record, "HostShutdown" if why is StopReason.HOST_SHUTDOWN else "Requested"
        )
    if not record.ended and _is_spent(observed):
        # released and forgotten, or worked on since: the scheduler has to place it under a higher epoch,
        # and how it ended before must not hold it
        record = replace(record, ended=True, last_exit=None)
    if record.released and observed.domain is None:
        return with_record(observed, record)
    if record.ended:
        return _plan_release(observed, record)
    return plan_start(observed, record)


def _adopted(observed: Observed, record: Record) -> Record:
    """The record of a guest that runs though this host does not remember starting it."""
    metadata = observed.live.metadata if observed.live else None
    handled = metadata.handled_restart_at if metadata else ""
    return replace(
        record,
        started=True,
        ended=False,
        released=False,
        boot_id=observed.facts.boot_id,
        started_s=observed.now_s,
        started_at=render_epoch_time(observed.wall_s),
        handled_restart_at=max(handled, record.handled_restart_at),
    )


def _buried(observed: Observed, record: Record) -> Record:
    """The record once the end of its QEMU is understood."""
    assert observed.vm is not None
    death = classify(observed.domain, observed.events, record, observed.facts.boot_id)
    if death is Death.CRASHED and observed.out_of_memory:
        death = Death.OUT_OF_MEMORY
    noted = note_death(record, death, observed.now_s, observed.wall_s)
    return replace(noted, ended=not restarts_after(death, observed.vm.spec.ha.restart))


def _ended_as(observed: Observed, record: Record, reason: str) -> Record:
    """The record of a VM that ends without a QEMU of this epoch; one that ended keeps why."""
    if record.ended:
        return record
    return replace(record, ended=True, last_exit=LastExit(reason, render_epoch_time(observed.wall_s)))


def _plan_release(observed: Observed, record: Record) -> Plan:
    """Give everything back; the claims go only after domain and process are gone for certain."""
    assert observed.vm is not None
    # kept before the domain goes, which may be all that names them
    record = replace(record, places=observed.held)
    deleting = observed.vm.metadata.deletion_timestamp is not None
    steps: list[Action] = [Undefine()] if observed.domain is not None else []
    keep: list[Action] = []
    forget: list[Action] = []
    if keeps_state(observed.vm):
        moved = {found.place for found in observed.claims if found.claim is not None and found.claim.moved}
        beside = place_of_state(observed.vm, tuple(place for place in observed.held if place not in moved))
        # without a disk there is no place for it but this host, as long as the VM is there
        forget += [RemoveLocalState(observed.uuid)] if beside is not None or deleting else []
        keep += [SaveState(beside, observed.uuid, observed.epoch, deleting)] if beside is not None else []
    # a VM that goes does not wait for a disk that it let go before; its Volume's look regains the claim
    left = without_disks_of_spec(observed.vm, observed.held) if deleting else ()
    own = tuple(place for place in observed.held if place not in left)
    steps += [
        EnsureNoProcess(observed.uuid),
        *keep,
        *((FreeClaims(left, observed.epoch, give_up=True),) if left else ()),
        FreeClaims(own, observed.epoch, give_up_missing=deleting),
        RemovePorts(observed.ports),
        RemoveDirectories(),
        *forget,
        SaveRecord(replace(record, released=True, places=())),
    ]
    return with_record(observed, record, *steps, requeue_after_s=0.0)


def _plan_orphan_process(observed: Observed, record: Record, why: StopReason | None) -> Plan:
    """libvirt says it does not run, and yet QEMU lives: nothing may start, nothing may be freed.

    It is ended only when the VM shall end (ha.md: positive evidence): softly, then by force.
    """
    if why not in (None, StopReason.RESTART) or record.ended:
        return plan_process_end(observed, record, why or StopReason.REQUESTED)
    assert observed.vm is not None
    wait = orphaned(observed.processes, observed.facts.name, observed.vm.metadata.name)
    return replace(with_record(observed, record), wait=wait, requeue_after_s=PROCESS_LOOK_S)


def _plan_stale(observed: Observed, record: Record) -> Plan:
    """A guest of another epoch: it may go on only while the storage still says that it is ours."""
    if observed.claim_lost:
        ends = (Destroy(graceful=False), Undefine())
        return with_record(observed, replace(record, places=observed.held), *ends, requeue_after_s=0.0)
    wait: QuantixError = InvariantError(
        "InternalError",
        f"The guest runs under epoch {observed.domain_epoch}, and the assignment says {observed.epoch}.",
        "wait for the operator to correct the assignment from the claim",
    )
    return Plan(observed.record, (), wait, _LEFT_BEHIND_S)


def _is_spent(observed: Observed) -> bool:
    """Whether a claim says that this epoch was released, or is below its floor: it admits no start. Not that
    of a disk that has left spec, which a start without it gives back.
    """
    left = without_disks_of_spec(observed.vm, observed.record.places)
    claims = (found.claim for found in observed.claims if found.place not in left)
    known = (claim for claim in claims if claim and claim.cluster_uid == observed.facts.cluster_uid)
    return any(claim.holder is None and claim.floor >= observed.epoch for claim in known)
