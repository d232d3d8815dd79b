"""Plans what happens to a guest that QEMU paused because a disk could not be written or read. Pure.

```
  Running ──QEMU pauses it──► Paused ──room, 10 s since the last try──► on trial ──2 s──► Running
                                ▲ │ no room, or spec wants Paused           │
                                └─┴──────────── QEMU pauses it again ◄──────┘
```
QEMU says that it resumed even when the disk fails again at once: for 2 s nobody calls the guest running. The
write that failed is repeated by QEMU, so that the guest never hears of it. Called by `running_plan` and
`verdict`.
"""

from __future__ import annotations

from dataclasses import replace

from quantix_api.errors import WaitingError
from quantix_api.messages import as_error
from quantix_hostd.claims import VolumePlace
from quantix_hostd.facts.domain import PAUSED_IO_ERROR, DomainState, EventKind
from quantix_hostd.virtualmachine.actions import Resume
from quantix_hostd.virtualmachine.observed import Observed, disk_places
from quantix_hostd.virtualmachine.record import Record
from quantix_hostd.virtualmachine.steps import Plan, with_record

_RESUME_AGAIN_S = 10.0
_TRIAL_S = 2.0


def is_paused_by_io_error(observed: Observed) -> bool:
    domain = observed.domain
    return domain is not None and domain.state is DomainState.PAUSED and domain.reason == PAUSED_IO_ERROR


def is_on_trial(observed: Observed) -> bool:
    """Whether the guest was resumed after an I/O error, and nobody knows yet whether it stays so."""
    domain, resumed_s = observed.domain, observed.record.resumed_s
    runs = domain is not None and domain.state is DomainState.RUNNING
    return runs and resumed_s > 0 and observed.now_s - resumed_s < _TRIAL_S


def plan_io_error(observed: Observed, record: Record) -> Plan:
    """Resume it where there is room, spec wants it to run, and the last try is long enough ago."""
    assert observed.vm is not None
    blocked = any(place in observed.unwritable for place in _failing(observed))
    if observed.vm.spec.power_state == "Paused":
        # as spec wants it: what failed is tried again when it is to run
        wait = _wait(observed) if blocked else None
        return with_record(observed, record, wait=wait, requeue_after_s=_RESUME_AGAIN_S)
    since_s = observed.now_s - record.resumed_s
    if blocked or (record.resumed_s > 0 and since_s < _RESUME_AGAIN_S):
        again_s = _RESUME_AGAIN_S if blocked else _RESUME_AGAIN_S - since_s
        return with_record(observed, record, wait=_wait(observed), requeue_after_s=again_s)
    record = replace(record, resumed_s=observed.now_s)
    return with_record(observed, record, Resume(), wait=_wait(observed), requeue_after_s=_TRIAL_S)


def plan_trial(observed: Observed, record: Record) -> Plan:
    """Say what was said before until it is known that the guest stays resumed."""
    left_s = _TRIAL_S - (observed.now_s - record.resumed_s)
    return with_record(observed, record, wait=_wait(observed), requeue_after_s=max(left_s, 0.1))


def pools(observed: Observed) -> str:
    """The pools of the VM, as a sentence names them."""
    return ", ".join(sorted({volume.pool for volume in observed.volumes if volume.pool}))


def _wait(observed: Observed) -> WaitingError:
    assert observed.vm is not None
    name, details = observed.vm.metadata.name, _details(observed)
    if not details:
        # hostd was away when it happened: what can be seen is whether there is room
        full = [place for place in observed.unwritable if place.pool not in observed.silent]
        if any(place in full for place in _failing(observed)):
            return as_error(WaitingError, "PoolFull", pool=pools(observed), name=name)
        return as_error(WaitingError, "StorageIOError", pool=pools(observed))
    disk, why = details[-1]
    pool = next((seen.pool for seen in observed.volumes if seen.disk == disk and seen.pool), pools(observed))
    if "enospc" in why:
        return as_error(WaitingError, "PoolFull", pool=pool, name=name)
    return as_error(WaitingError, "StorageIOError", disk=disk, said=why or "I/O error", pool=pool)


def _details(observed: Observed) -> list[tuple[str, str]]:
    """Disk and cause of each error that was seen, oldest first."""
    words = [event.detail.partition(" ") for event in observed.events if event.kind is EventKind.IO_ERROR]
    return [(alias.removeprefix("ua-"), why) for alias, _, why in words]


def _failing(observed: Observed) -> tuple[VolumePlace, ...]:
    """Where the disks lie that failed; all, where nobody saw which."""
    places = disk_places(observed.live)
    named = tuple(places[disk] for disk, _ in _details(observed) if disk in places)
    return named or observed.places
