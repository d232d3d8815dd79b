"""Decides about a guest whose VM the API does not have, or no longer assigns to this host. Pure.

The watch of this host selects the VMs that are assigned to it, so both look the same here. The guest runs on
until there is the positive evidence that ha.md asks for: its claim names another host, this host saw the VM's
deletion before it was gone, root orders its end here (`orphans`), or the host itself is shut down. What is
then done is what a deletion does, and in its order; what is to be given back comes from the domain, since no
spec tells it.

```
  Kept ──deletion seen, order, shutdown──► Ending (remains noted) ──QEMU gone──► Releasing ──► forgotten
    └───the claim names another: by force──────────────────────────────────────────┘
```
"""

from __future__ import annotations

from dataclasses import replace

from quantix_api.errors import WaitingError
from quantix_api.messages import as_error
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.virtualmachine.actions import (
    Action,
    Destroy,
    EndProcess,
    EnsureNoProcess,
    ForgetRecord,
    FreeClaims,
    RemoveDirectories,
    RemovePorts,
    SaveRecord,
    Undefine,
)
from quantix_hostd.virtualmachine.move_plan import may_be_between
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.record import Record, Remains, StopReason
from quantix_hostd.virtualmachine.running_plan import plan_process_end, plan_stop
from quantix_hostd.virtualmachine.steps import Plan, with_record

_ENDING_S = 1.0
GRACE_S = 60.0
"""How long the guest may take to shut down: spec.gracePeriodSeconds, where it says nothing, is the same."""


def plan_missing(observed: Observed) -> Plan:
    """Keep it, go on with its end, or forget what was released."""
    record = observed.record
    ours = is_ours(observed)
    if observed.runs and observed.claim_lost and ours:
        return _end_of_lost(observed)
    deleted = record.stop is not None and record.stop.why is StopReason.DELETING
    # it ended here, or the host did, and what it held was not given back yet
    holds = not observed.runs and not record.released and (bool(record.places) or ours)
    if record.remains is None and (deleted or observed.shutting_down) and ours:
        record = ordered(observed)
    elif record.remains is None and holds:
        record = replace(record, remains=_remains(observed))
    if record.remains is not None:
        return _plan_end(observed, record, record.remains)
    nothing_left = observed.domain is None and not observed.processes
    return Plan(record, (ForgetRecord(),) if nothing_left and record.released else ())


def is_ours(observed: Observed) -> bool:
    """Whether something is left here that this host made for a VM of this UID: by our mark in the domain, or,
    where libvirt denies its QEMU, by the record of its start.
    """
    if observed.domain is not None:
        seen = observed.live or observed.inactive
        return seen is not None and seen.metadata is not None and seen.metadata.vm_uid == observed.uid
    return bool(observed.processes) and observed.record != Record()


def ordered(observed: Observed) -> Record:
    """The record once the end of this guest is ordered."""
    record = observed.record.with_stop(StopReason.ORPHANED, observed.now_s)
    return replace(record, remains=_remains(observed))


def _remains(observed: Observed) -> Remains:
    devices = (observed.live or observed.inactive).devices.values() if observed.inactive else ()
    ports = tuple(device["switch_port"] for device in devices if "switch_port" in device)
    epoch = observed.domain_epoch or observed.record.epoch
    return Remains(observed.uuid, epoch, observed.held, ports)


def _end_of_lost(observed: Observed) -> Plan:
    """End a guest whose claim names another host, where it may be written by now: it is not asked."""
    active = observed.domain is not None and observed.domain.active
    kills = tuple(EndProcess(process, force=True) for process in observed.processes)
    ends: tuple[Action, ...] = (Destroy(graceful=False),) if active else kills
    return Plan(observed.record, ends, requeue_after_s=_ENDING_S)


def _plan_end(observed: Observed, record: Record, remains: Remains) -> Plan:
    wait = as_error(WaitingError, "Stopping", host=observed.facts.name)
    domain = observed.domain
    if domain is not None and domain.active:
        if observed.claim_lost or domain.is_half or domain.state is DomainState.CRASHED:
            # another may write its disks, or nothing in it can answer: it is not asked, and never resumed
            return with_record(observed, record, Destroy(graceful=False), wait=wait, requeue_after_s=1.0)
        stopping = record.with_stop(StopReason.ORPHANED, observed.now_s)
        return plan_stop(observed, stopping, GRACE_S, wait, wakes=not may_be_between(observed, record))
    if observed.processes:
        return plan_process_end(observed, record, StopReason.ORPHANED)
    undefine: tuple[Action, ...] = (Undefine(),) if domain is not None else ()
    released = replace(record, started=False, stop=None, ended=True, released=True, remains=None, places=())
    return with_record(
        observed,
        record,
        *undefine,
        EnsureNoProcess(remains.uuid),
        # whoever ordered its end does not wait for a pool that is away; a VM that only went elsewhere does
        FreeClaims(remains.places, remains.epoch, give_up_missing=record.stop is not None),
        RemovePorts(remains.ports),
        RemoveDirectories(),
        SaveRecord(released),
        requeue_after_s=0.0,
    )
