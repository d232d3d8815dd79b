"""Plans the start of a guest: the one order of hypervisor.md, section 1. Pure.

Assignment names this host → no open HostRecovery → no QEMU of it or of its UUID (checked by the caller and
again when claims are taken) → volumes and ports there → claims → define → create paused → ports wired →
resume.
"""

from __future__ import annotations

from dataclasses import replace

from quantix_api.address_space import addressable_bytes
from quantix_api.errors import QuantixError, WaitingError
from quantix_api.message_table_phrases import A_RESTORE
from quantix_api.messages import as_error
from quantix_api.quantities import format_size
from quantix_api.times import render_epoch_time, render_time
from quantix_hostd.claims import VolumePlace, pools_in_ceph
from quantix_hostd.domainxml.memory import room_bytes
from quantix_hostd.domainxml.render import render_domain
from quantix_hostd.domainxml.spec import DomainSpec
from quantix_hostd.virtualmachine.actions import (
    Action,
    BuildFirstBootDrive,
    CheckPassphrases,
    CreatePaused,
    Define,
    EnsureUUIDUnused,
    FreeClaims,
    GrowDisk,
    MakeDevices,
    PrepareDirectories,
    RemovePorts,
    RestoreState,
    Resume,
    SaveRecord,
    TakeClaims,
    WirePorts,
)
from quantix_hostd.virtualmachine.deaths import in_a_row
from quantix_hostd.virtualmachine.desired import has_first_boot_drive
from quantix_hostd.virtualmachine.firmware import keeps_state
from quantix_hostd.virtualmachine.first_boot import first_boot_mark
from quantix_hostd.virtualmachine.link_plan import plugged_in
from quantix_hostd.virtualmachine.memory_actions import ForgetMemory, RestorePaused
from quantix_hostd.virtualmachine.memory_plan import kept_memory, marked
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.process_waits import PROCESS_LOOK_S, uuid_taken
from quantix_hostd.virtualmachine.record import LastExit, Record
from quantix_hostd.virtualmachine.record_places import may_be_held
from quantix_hostd.virtualmachine.steps import Plan, with_record
from quantix_hostd.virtualmachine.watchdog_plan import let_go

_LOOK_AGAIN_S = 2.0


def plan_start(observed: Observed, record: Record) -> Plan:
    """Start the guest, or say what it waits for."""
    wait, requeue_after_s = _obstacle(observed, record)
    if wait is not None or observed.wanted is None:
        return with_record(observed, record, wait=wait, requeue_after_s=requeue_after_s)
    return with_record(
        observed,
        record,
        *_start_actions(observed, observed.wanted, record),
        wait=as_error(WaitingError, "Starting", host=observed.facts.name),
        requeue_after_s=0.0,
    )


def known_record(observed: Observed) -> Record:
    """The record under the present assignment; a host that remembers nothing goes on from the last report.

    A VM that is in the API again is no orphan whose end could be ordered any more.
    """
    record = observed.record
    if record.epoch == 0 and observed.vm is not None:
        runtime = observed.vm.status.runtime
        handled, last = runtime.handled_restart_at, runtime.last_exit
        record = replace(
            record,
            handled_restart_at=render_time(handled) if handled else "",
            last_exit=LastExit(last.reason, render_time(last.at)) if last else None,
        )
        if runtime.observed_epoch == observed.epoch and runtime.domain == "Absent":
            return replace(record, epoch=observed.epoch, ended=True, released=True)
    return replace(record.for_epoch(observed.epoch), remains=None)


def handled_restart(observed: Observed, record: Record) -> str:
    """The newest restart that a start now fulfils: one asked for in the future is still to come."""
    restart = observed.vm.spec.restart if observed.vm else None
    if restart is None or restart.at.timestamp() > observed.wall_s:
        return record.handled_restart_at
    return max(render_time(restart.at), record.handled_restart_at)


def _obstacle(observed: Observed, record: Record) -> tuple[QuantixError | None, float | None]:
    assert observed.vm is not None
    host, name = observed.facts.name, observed.vm.metadata.name
    if observed.recovery_open:
        return as_error(WaitingError, "HostFailed", host=host, name=name), _LOOK_AGAIN_S
    restoring = next((found for found in observed.claims if found.claim and found.claim.restoring), None)
    if restoring is not None:
        return as_error(WaitingError, "RestoreInProgress", restore=A_RESTORE), _LOOK_AGAIN_S
    if observed.others_with_uuid:
        return uuid_taken(observed.others_with_uuid, host), PROCESS_LOOK_S
    if observed.wanted is None:
        waiting = observed.waiting
        return waiting, waiting.retry_after_s if isinstance(waiting, WaitingError) else _LOOK_AGAIN_S
    beyond = _beyond_addresses(observed, observed.wanted)
    if beyond is not None:
        return beyond, _LOOK_AGAIN_S
    disks = _disks(observed)
    unread = (found.problem for found in observed.claims if found.place in disks)
    problem = next(filter(None, unread), None)
    if problem is not None:
        return problem, _LOOK_AGAIN_S
    if observed.now_s < record.next_start_s:
        return _backing_off(record, name, host), record.next_start_s - observed.now_s
    return None, None


def _beyond_addresses(observed: Observed, wanted: DomainSpec) -> WaitingError | None:
    """The operator grants no such ceiling; what it granted before it knew of one would end QEMU at once."""
    assert observed.vm is not None
    ceiling_bytes = addressable_bytes(observed.facts.address_bits, wanted.cpu.model)
    most_bytes = wanted.memory_bytes + room_bytes(wanted)
    if most_bytes <= ceiling_bytes:
        return None
    sizes = {"ceiling": format_size(ceiling_bytes), "most": format_size(most_bytes)}
    about = {"host": observed.facts.name, "name": observed.vm.metadata.name}
    return as_error(WaitingError, "NotEnoughMemory", **sizes, **about)


def _backing_off(record: Record, name: str, host: str) -> WaitingError:
    times = in_a_row(record.failures)
    reason, at = record.failure or "QEMUCrashed", record.next_start_at
    if record.out_of_memory:
        return as_error(WaitingError, reason, times=times, at=at, host=host)
    return as_error(WaitingError, reason, times=times, at=at, name=name)


def _growth(observed: Observed) -> tuple[Action, ...]:
    return tuple(
        GrowDisk(volume.place, volume.wanted_bytes, volume.volume if volume.encrypted else "")
        for volume in observed.volumes
        if volume.place is not None and volume.size_bytes < volume.wanted_bytes
    )


def _state(observed: Observed, wanted: DomainSpec, disks: tuple[VolumePlace, ...]) -> tuple[Action, ...]:
    """A VM without disks has no place for it but this host."""
    assert observed.vm is not None
    if not disks or not keeps_state(observed.vm):
        return ()
    return (RestoreState(disks[0], wanted.identity.uuid, observed.epoch),)


def _disks(observed: Observed) -> tuple[VolumePlace, ...]:
    """Where the disks lie that spec names now; a domain may still name others."""
    return tuple(volume.place for volume in observed.volumes if volume.place is not None)


def _start_actions(observed: Observed, wanted: DomainSpec, record: Record) -> tuple[Action, ...]:
    assert observed.vm is not None
    disks = _disks(observed)
    # of disks that left spec since their claims were taken
    others = tuple(dict.fromkeys(place for place in (*record.places, *observed.places) if place not in disks))
    # remembered until they are seen to be free, since giving them back may fail, or end late
    kept = tuple(place for place in others if place.pool in observed.silent or may_be_held(observed, place))
    # nothing is asked of a pool that does not answer
    left = tuple(place for place in others if place.pool not in observed.silent)
    taking = replace(record, places=(*disks, *others), put_down_s=0.0)
    first_boot: tuple[Action, ...] = (BuildFirstBootDrive(),) if has_first_boot_drive(observed.vm) else ()
    encrypted = tuple(volume.volume for volume in observed.volumes if volume.encrypted)
    resume: tuple[Action, ...] = () if observed.vm.spec.power_state == "Paused" else (Resume(),)
    memory = kept_memory(observed)
    made = tuple(device.seat for device in wanted.host_devices if device.seat.parent)
    return (
        RemovePorts(observed.ports),
        PrepareDirectories(),
        *first_boot,
        *((CheckPassphrases(encrypted),) if encrypted else ()),
        EnsureUUIDUnused(wanted.identity.uuid),
        SaveRecord(taking),
        *((FreeClaims(left, observed.epoch, give_up=True),) if left else ()),
        TakeClaims(disks, observed.epoch),
        *(() if memory else _growth(observed)),
        *_state(observed, wanted, disks),
        *((MakeDevices(made),) if made else ()),
        Define(render_domain(wanted)),
        SaveRecord(_started(observed, replace(taking, places=(*disks, *kept)))),
        *_creation(observed, wanted, disks, encrypted, memory),
        WirePorts(observed.ports),
        *resume,
    )


def _creation(
    observed: Observed,
    wanted: DomainSpec,
    disks: tuple[VolumePlace, ...],
    encrypted: tuple[str, ...],
    memory: tuple[str, str] | None,
) -> tuple[Action, ...]:
    """QEMU, the guest paused: it boots, or goes on with memory that fits these disks until it does."""
    places = marked(observed)
    forget = (ForgetMemory(places),) if places else ()
    if memory is None:
        return (*forget, CreatePaused(encrypted, pools_in_ceph(disks)))
    return (RestorePaused(*memory, render_domain(wanted), places, encrypted, pools_in_ceph(disks)), *forget)


def _started(observed: Observed, record: Record) -> Record:
    """The record of a guest that was just told to start."""
    assert observed.vm is not None
    return replace(
        record,
        started=True,
        boot_id=observed.facts.boot_id,
        started_s=observed.now_s,
        started_at=render_epoch_time(observed.wall_s),
        restarts=record.restarts + (1 if record.failures else 0),
        handled_restart_at=handled_restart(observed, record),
        resumed_s=0.0,
        pid=0,
        unplugs=(),
        cables=plugged_in(observed),
        bites=let_go(record).bites,
        move=None,
        first_boot_mark=first_boot_mark(observed.vm),
    )
