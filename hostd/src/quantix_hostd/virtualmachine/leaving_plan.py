"""Plans how a guest leaves this host: the source's part of a migration (docs/adr/0044). Pure.

```
 (none) ──target prepared──► sending ──sent whole, QEMU gone──► handing ──claims──► handed ──► cleared up
                              │   │                               ▲   (nothing starts here any more)
                              │   └─ never whole ─► switching ────┘ stands still here for good
                              │                         │ memory lost: its QEMU is ended
                              │                         ▼
                              └─ broken off, failed ─► stays ──► (none)
```
"stays" is the source's word and holds: it is written down before it is told. A hostd that was killed while it
sent has forgotten whether all of it arrived: then the guest stays, whatever has become of it (0042, 7). Once
"handing" is written down that is known, and only forward is left.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from quantix_hostd.claims import VolumePlace
from quantix_hostd.migration.leaving import Leaving, LeavingRecord
from quantix_hostd.virtualmachine.actions import (
    Action,
    Destroy,
    EnsureNoProcess,
    ForgetRecord,
    FreeClaims,
    RemoveDirectories,
    RemoveLocalState,
    RemovePorts,
    SaveRecord,
    Undefine,
)
from quantix_hostd.virtualmachine.leaving_actions import (
    HandOver,
    RemoveMoved,
    SendGuest,
    StopSending,
    SwitchOver,
    TellTarget,
)
from quantix_hostd.virtualmachine.leaving_reasons import (
    LINGERS_S,
    failure,
    obstacle,
    own_hindrance,
    told,
    too_late,
)
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.record import Record, StopReason
from quantix_hostd.virtualmachine.steps import Plan, with_record
from quantix_hostd.virtualmachine.switch_plan import is_to_switch, post_copy_of

_SOON_S = 0.2
_LOOK_S = 1.0
_WAIT_S = 5.0


def plan_leaving(observed: Observed, record: Record, why: StopReason | None) -> Plan | None:
    """The next step of a guest that is to leave, or does; None where the VM is looked after as usual. `why`:
    what it shall end for, here.
    """
    kept, leaving = record.leaving, observed.leaving
    if kept is not None and kept.step == "handing":
        return with_record(observed, record, *_handing(observed, record, kept), requeue_after_s=0.0)
    if kept is not None and kept.step == "handed":
        return _plan_handed(observed, record, kept)
    if kept is not None and kept.step == "stays" and leaving is not None:
        if leaving.migration == kept.migration:
            return None
        kept = None
    if leaving is None:
        return None
    if observed.vm is None or not observed.is_mine:
        # whoever has it now, this one sends nothing more
        return (
            with_record(observed, record, StopSending(), requeue_after_s=_LOOK_S) if leaving.sending else None
        )
    if kept is None:
        return _plan_beginning(observed, record, leaving, why)
    return _plan_sending(observed, record, kept, leaving, why)


def without_leaving(observed: Observed, record: Record) -> Record:
    """The record once nobody speaks of its migration any more, or of one that was given up."""
    kept, leaving = record.leaving, observed.leaving
    if kept is None or (leaving is not None and leaving.migration == kept.migration):
        return record
    return replace(record, leaving=None) if observed.synced else record


def is_left(observed: Observed, record: Record) -> bool:
    """Whether nothing is said of the VM here: of one that went the other host speaks, and of one that is
    about to be known to have gone nothing is guessed.
    """
    kept = record.leaving
    if kept is None:
        return False
    still = observed.domain is not None and observed.domain.sends_its_last
    half = kept.step == "switching" or (kept.step == "sending" and (still or not observed.runs))
    return kept.gone or half


def _plan_beginning(
    observed: Observed, record: Record, leaving: Leaving, why: StopReason | None
) -> Plan | None:
    vm = observed.vm
    assert vm is not None
    kept = LeavingRecord(
        leaving.migration,
        leaving.target,
        "sending",
        observed.now_s,
        vm=f"{vm.metadata.namespace}/{vm.metadata.name}",
        ports=observed.ports,
        uuid=observed.uuid,
    )
    given_up = obstacle(observed, leaving, why)
    if given_up is not None:
        return _stays(observed, record, replace(kept, since_s=0.0), *given_up)
    own = own_hindrance(observed, leaving)
    if not leaving.prepared or own is not None:
        late = too_late(observed, leaving, own if leaving.prepared else None)
        return _stays(observed, record, replace(kept, since_s=0.0), *late) if late is not None else None
    encrypted = tuple(
        (volume.place, volume.volume)
        for volume in observed.volumes
        if volume.encrypted and volume.place is not None
    )
    local = _local_disks(observed)
    kept = replace(kept, post_copy=post_copy_of(observed, leaving, local))
    may_switch = kept.post_copy == "Possible"
    send = SendGuest(leaving.migration, leaving.target, observed.epoch + 1, local, encrypted, may_switch)
    return with_record(observed, replace(record, leaving=kept), send, requeue_after_s=_LOOK_S)


def _plan_sending(
    observed: Observed, record: Record, kept: LeavingRecord, leaving: Leaving, why: StopReason | None
) -> Plan:
    late = _is_late(observed, kept)
    if leaving.sent:
        if observed.runs:
            # seen before it ended, or about to end
            again_s = _SOON_S if leaving.sent_for_s < LINGERS_S else _WAIT_S
            return with_record(observed, record, requeue_after_s=again_s)
        handing = replace(
            kept, step="handing", epoch=observed.epoch + 1, downtime_ms=leaving.stood_still_ms or 0
        )
        record = replace(record, leaving=handing, places=observed.held)
        return with_record(observed, record, *_handing(observed, record, handing), requeue_after_s=0.0)
    if observed.domain is not None and observed.domain.stands_for_good:
        return _switch(observed, record, kept) if leaving.sending else _lost(observed, record, kept)
    if leaving.sending:
        ends = leaving.cancelled or why is not None or late
        if not ends and is_to_switch(observed, kept, leaving.progress):
            return _switch(observed, record, kept)
        if not ends:
            return with_record(observed, record, requeue_after_s=_LOOK_S)
        if not kept.reason:
            # what is wished may be another thing by the time that it has ended
            reason, message = failure(observed, leaving, why, late)
            record = replace(record, leaving=replace(kept, reason=reason, message=message))
        return with_record(observed, record, StopSending(), requeue_after_s=_LOOK_S)
    if observed.domain is not None and observed.domain.active and leaving.progress is not None:
        # begun by a hostd that is gone: nobody would know how it ended
        return with_record(observed, record, StopSending(), requeue_after_s=_LOOK_S)
    ended = (kept.reason, kept.message) if kept.reason else failure(observed, leaving, why, late)
    return _stays(observed, record, kept, *ended)


def _switch(observed: Observed, record: Record, kept: LeavingRecord) -> Plan:
    """One after the other, since the guest stands still from the first to the last."""
    switching = replace(record, leaving=replace(kept, step="switching"))
    handing = replace(kept, step="handing", switched=True, epoch=observed.epoch + 1)
    after = replace(record, leaving=handing, places=observed.held)
    return with_record(
        observed,
        switching,
        SwitchOver(kept.migration, kept.target, handing.epoch),
        SaveRecord(after),
        *_handing(observed, after, handing),
        requeue_after_s=0.0,
    )


def _lost(observed: Observed, record: Record, kept: LeavingRecord) -> Plan:
    """It was switched, and nobody can tell whether its memory is whole anywhere: it never goes on here, and
    was never let go on there, since the claims are this host's still. So it starts from its disks.
    """
    assert observed.vm is not None
    name, here = observed.vm.metadata.name, observed.facts.name
    reason, message = told("PostCopyFailed", name=name, host=here)
    stays = replace(kept, step="stays", reason=reason, message=message, switched=True)
    ended = SaveRecord(replace(record, leaving=stays))
    return with_record(observed, record, Destroy(graceful=False), ended, requeue_after_s=0.0)


def _is_late(observed: Observed, kept: LeavingRecord) -> bool:
    limit_s = observed.vm.spec.migration.timeout_seconds if observed.vm is not None else 0
    return observed.now_s - kept.since_s > limit_s


def _stays(observed: Observed, record: Record, kept: LeavingRecord, reason: str, message: str) -> Plan:
    stays = replace(kept, step="stays", reason=reason, message=message)
    return with_record(observed, replace(record, leaving=stays), requeue_after_s=0.0)


def _handing(observed: Observed, record: Record, kept: LeavingRecord) -> tuple[Action, ...]:
    """Only what spec has goes there: what was unplugged, and is held yet, is given back at the end. One that
    was switched is sent on by its QEMU, which stands still.
    """
    return (
        *(() if kept.switched else (EnsureNoProcess(kept.uuid),)),
        HandOver(observed.places or record.places, kept.target, kept.epoch),
        SaveRecord(replace(record, leaving=replace(kept, step="handed"))),
        TellTarget(kept.migration, kept.target, kept.epoch),
    )


def _plan_handed(observed: Observed, record: Record, kept: LeavingRecord) -> Plan | None:
    """Nothing starts here. Once the guest runs there, or nobody will say so any more, what is left of it
    goes; that it has left is remembered until nothing of it is here, or it is assigned to this host anew.
    """
    leaving = observed.leaving
    back = observed.vm is not None and observed.is_mine and observed.epoch > kept.epoch
    if record.released and not back:
        nothing = observed.vm is None and observed.domain is None
        return Plan(record, (ForgetRecord(),) if nothing else (), None, _WAIT_S)
    of_it = leaving if leaving is not None and leaving.migration == kept.migration else None
    is_targets = of_it is not None and bool(of_it.target_epoch)
    went_on = of_it is not None and of_it.went_on
    if kept.switched and not kept.downtime_ms and leaving is not None and leaving.stood_still_ms:
        record = replace(record, leaving=replace(kept, downtime_ms=leaving.stood_still_ms))
    if not back and (observed.is_mine or not (is_targets or went_on)):
        # until the API names the target, what is here is what the API tells of
        tell = TellTarget(kept.migration, kept.target, kept.epoch)
        quiet = is_targets or (leaving is not None and leaving.told)
        return with_record(observed, record, *(() if quiet else (tell,)), requeue_after_s=_LOOK_S)
    if leaving is not None and leaving.sending and observed.runs:
        # libvirt 9.0 keeps the job of a guest for ever that is ended before it has heard how its move did
        return with_record(observed, record, requeue_after_s=_LOOK_S)
    local = tuple(place for place in record.places if isinstance(place.pool, Path))
    left = replace(record, started=False, stop=None, places=(), move=None)
    after = replace(left, leaving=None) if back else replace(left, ended=True, released=True)
    return with_record(
        observed,
        record,
        *_end_of_half(observed),
        EnsureNoProcess(kept.uuid),
        FreeClaims(_unplugged(observed, record), kept.epoch - 1, give_up=True),
        RemoveMoved(local, kept.target, unless_ours=went_on and not is_targets),
        RemovePorts(kept.ports),
        RemoveDirectories(),
        RemoveLocalState(kept.uuid),
        SaveRecord(after),
        requeue_after_s=0.0,
    )


def _end_of_half(observed: Observed) -> tuple[Action, ...]:
    """Of one that was switched, and whose memory did not all come there: libvirt keeps it."""
    if observed.domain is None:
        return ()
    return (*((Destroy(graceful=False),) if observed.domain.active else ()), Undefine())


def _unplugged(observed: Observed, record: Record) -> tuple[VolumePlace, ...]:
    """Where claims may be that are this host's still: those of the guest's own disks are not."""
    return tuple(place for place in record.places if place not in observed.places)


def _local_disks(observed: Observed) -> tuple[str, ...]:
    """Disks of a directory of this host, by the name that libvirt gives them."""
    devices = observed.live.devices.items() if observed.live else ()
    return tuple(
        device["dev"]
        for _, device in devices
        if device.get("device") == "disk" and device.get("path", "").startswith("/")
    )
