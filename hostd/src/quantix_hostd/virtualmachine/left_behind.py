"""Decides about what this host still has of a VM that the API assigns to another host, or to none. Pure.

It runs on while the storage says that it is ours: an assignment alone is no evidence (ha.md, Ownership).

```
  Runs on ──the claim names another──► Ending, by force ──QEMU gone──► Giving back ──► forgotten
```
"""

from __future__ import annotations

from dataclasses import replace

from quantix_hostd.virtualmachine.actions import (
    Action,
    Destroy,
    EndProcess,
    EnsureNoProcess,
    ForgetRecord,
    FreeClaims,
    RemoveDirectories,
    RemovePorts,
    Undefine,
)
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.record import Record
from quantix_hostd.virtualmachine.steps import Plan, with_record

_LOOK_S = 30.0
_ENDING_S = 1.0


def plan_left_behind(observed: Observed) -> Plan:
    """End what another host may run by now; once nothing runs, give back what this host holds."""
    record = observed.record
    active = observed.domain is not None and observed.domain.active
    if active or observed.processes:
        if not observed.claim_lost:
            return Plan(record, requeue_after_s=_LOOK_S)
        kills = tuple(EndProcess(process, force=True) for process in observed.processes)
        ends: tuple[Action, ...] = (Destroy(graceful=False),) if active else kills
        return Plan(record, ends, requeue_after_s=_ENDING_S)
    if observed.domain is None and record == Record():
        return Plan(record)
    # kept before the domain goes, which may be all that names them
    held = tuple(dict.fromkeys((*record.places, *observed.places)))
    undefine: tuple[Action, ...] = (Undefine(),) if observed.domain is not None else ()
    return with_record(
        observed,
        replace(record, places=held),
        *undefine,
        EnsureNoProcess(observed.uuid),
        # its own epoch counts as older than the next
        FreeClaims(held, max(observed.domain_epoch, record.epoch)),
        RemovePorts(observed.ports),
        RemoveDirectories(),
        ForgetRecord(),
        requeue_after_s=0.0,
    )
