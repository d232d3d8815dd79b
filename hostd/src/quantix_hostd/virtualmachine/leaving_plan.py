"""Plans how a guest leaves this host: the source's part of a migration (docs/adr/0044). Pure.

```
 (none) ──target prepared──► sending ──QEMU gone, sent whole──► handed ──runs there──► cleared up
                                │                                  (nothing starts here any more)
                                └── broken off, failed, hostd began anew ──► stays ──► (none)
```
"stays" is the source's word and holds: it is written down before it is told. A hostd that was killed while it
sent has forgotten whether all of it arrived: then the guest stays, whatever has become of it (0042, 7).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from quantix_hostd.facts.domain import DomainState
from quantix_hostd.migration.leaving import Leaving, LeavingRecord
from quantix_hostd.virtualmachine.actions import (
    Action,
    EnsureNoProcess,
    ForgetRecord,
    RemoveDirectories,
    RemoveLocalState,
    RemovePorts,
    SaveRecord,
)
from quantix_hostd.virtualmachine.leaving_actions import (
    HandOver,
    RemoveMoved,
    SendGuest,
    StopSending,
    TellTarget,
)
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.record import Record, StopReason
from quantix_hostd.virtualmachine.steps import Plan, with_record

_LOOK_S = 1.0
_WAIT_S = 5.0


def plan_leaving(observed: Observed, record: Record, why: StopReason | None) -> Plan | None:
    """The next step of a guest that is to leave, or does; None where the VM is looked after as usual. `why`:
    what it shall end for, here.
    """
    kept, leaving = record.leaving, observed.leaving
    if kept is not None and kept.step == "handed":
        return _plan_handed(observed, record, kept)
    if kept is not None and kept.step == "stays" and leaving is not None:
        if leaving.migration == kept.migration:
            return None
        kept = None
    if leaving is None or observed.vm is None or not observed.is_mine:
        return None
    if kept is None:
        return _plan_beginning(observed, record, leaving, why)
    return _plan_sending(observed, record, kept, leaving, why)


def without_leaving(observed: Observed, record: Record) -> Record:
    """The record once nobody speaks of its migration any more, or of one that was given up."""
    kept, leaving = record.leaving, observed.leaving
    if kept is None or (leaving is not None and leaving.migration == kept.migration):
        return record
    return replace(record, leaving=None) if observed.synced else record


def _plan_beginning(
    observed: Observed, record: Record, leaving: Leaving, why: StopReason | None
) -> Plan | None:
    given_up = _obstacle(observed, leaving, why)
    if given_up is not None:
        return _stays(observed, record, leaving, *given_up)
    if not leaving.prepared:
        return None
    sending = LeavingRecord(leaving.migration, leaving.target, "sending", observed.now_s)
    send = SendGuest(leaving.migration, leaving.target, observed.epoch + 1, _local_disks(observed))
    return with_record(observed, replace(record, leaving=sending), send, requeue_after_s=_LOOK_S)


def _obstacle(observed: Observed, leaving: Leaving, why: StopReason | None) -> tuple[str, str] | None:
    """(reason, message) of what keeps it from being sent at all."""
    assert observed.vm is not None
    name = observed.vm.metadata.name
    if leaving.cancelled:
        return "Cancelled", "It was cancelled."
    if leaving.refusal is not None:
        return leaving.refusal
    domain = observed.domain
    if why is not None or domain is None or domain.state is not DomainState.RUNNING:
        return "NotRunning", f"{name} does not run, or is about to stop."
    if observed.claim_lost or observed.domain_epoch != observed.epoch:
        return "SourceFailed", f"{observed.facts.name} is not sure that {name} is its own."
    return None


def _plan_sending(
    observed: Observed, record: Record, kept: LeavingRecord, leaving: Leaving, why: StopReason | None
) -> Plan:
    active = observed.domain is not None and observed.domain.active
    if leaving.sent and not observed.runs:
        handed = replace(
            kept, step="handed", epoch=observed.epoch + 1, downtime_ms=leaving.stood_still_ms or 0
        )
        over = HandOver(observed.held, kept.target, observed.epoch)
        steps = (
            EnsureNoProcess(observed.uuid),
            over,
            SaveRecord(replace(record, leaving=handed, places=observed.held)),
            TellTarget(kept.migration, kept.target, handed.epoch),
        )
        return with_record(observed, record, *steps, requeue_after_s=0.0)
    if leaving.sending:
        stop: tuple[Action, ...] = (StopSending(),) if leaving.cancelled or why is not None else ()
        return with_record(observed, record, *stop, requeue_after_s=_LOOK_S)
    if active and leaving.progress is not None:
        # begun by a hostd that is gone: nobody would know how it ended
        return with_record(observed, record, StopSending(), requeue_after_s=_LOOK_S)
    failure = leaving.failure or f"hostd of {observed.facts.name} was started anew meanwhile."
    if leaving.cancelled:
        return _stays(observed, record, leaving, "Cancelled", "It was cancelled.")
    reason = "NotRunning" if why is not None else "SourceFailed"
    return _stays(observed, record, leaving, reason, failure)


def _stays(observed: Observed, record: Record, leaving: Leaving, reason: str, message: str) -> Plan:
    stays = LeavingRecord(leaving.migration, leaving.target, "stays", reason=reason, message=message)
    return with_record(observed, replace(record, leaving=stays), requeue_after_s=0.0)


def _plan_handed(observed: Observed, record: Record, kept: LeavingRecord) -> Plan:
    """Nothing starts here. Once the guest runs there, what is left of it goes; that it has left is
    remembered until it is assigned here no more.
    """
    leaving = observed.leaving
    if record.released:
        nothing = observed.vm is None and observed.domain is None
        return Plan(record, (ForgetRecord(),) if nothing else (), None, _WAIT_S)
    runs_there = leaving is not None and leaving.migration == kept.migration and leaving.runs_there
    if not runs_there:
        tell = TellTarget(kept.migration, kept.target, kept.epoch)
        return with_record(observed, record, tell, requeue_after_s=_WAIT_S)
    local = tuple(place for place in record.places if isinstance(place.pool, Path))
    released = replace(record, started=False, stop=None, ended=True, released=True, places=(), move=None)
    return with_record(
        observed,
        record,
        EnsureNoProcess(observed.uuid),
        RemoveMoved(local, kept.target),
        RemovePorts(observed.ports),
        RemoveDirectories(),
        RemoveLocalState(observed.uuid),
        SaveRecord(released),
        requeue_after_s=0.0,
    )


def _local_disks(observed: Observed) -> tuple[str, ...]:
    """Disks of a directory of this host, by the name that libvirt gives them."""
    devices = observed.live.devices.items() if observed.live else ()
    return tuple(
        device["dev"]
        for _, device in devices
        if device.get("device") == "disk" and device.get("path", "").startswith("/")
    )
