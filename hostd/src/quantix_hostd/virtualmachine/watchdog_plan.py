"""What follows when the watchdog of a running guest fires: spec.watchdog.action, told each time. Pure.

```
                 ┌─ None ─────► only told
  fed ── bites ──┼─ Pause ────► held, until a user pauses and resumes it, resets or restarts it
                 ├─ Reset ────► reset; from the second time in a row on after a backoff, as starts are
                 └─ PowerOff ─► ended at once; ha.restart Always starts it again, with that backoff
```
Called by `running_plan`. QEMU itself only tells that it fired, and disarms it until the guest arms it again.
"""

from __future__ import annotations

from dataclasses import replace

from quantix_api.errors import WaitingError
from quantix_api.messages import as_error
from quantix_api.times import render_epoch_time
from quantix_hostd.facts.domain import EventKind
from quantix_hostd.virtualmachine.deaths import RESET_AFTER_S, backoff_s, in_a_row
from quantix_hostd.virtualmachine.live_actions import TellWatchdog
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.record import Bites, Record, StopReason


def note_bite(observed: Observed, record: Record) -> tuple[Record, tuple[TellWatchdog, ...]]:
    """The record once it is known that the watchdog fired since, and that it is to be told."""
    assert observed.vm is not None
    marks = [event.detail for event in observed.events if event.kind is EventKind.WATCHDOG]
    known = record.bites
    if not marks or marks[-1] == known.seen:
        return record, ()
    watchdog = observed.vm.spec.watchdog
    # it left spec, and goes at the next start
    action = watchdog.action if watchdog is not None else "None"
    # 0: in another boot, or never
    lately = known.at_s > 0 and observed.now_s - known.at_s < RESET_AFTER_S
    times = known.times + 1 if lately else 1
    bites = Bites(
        seen=marks[-1],
        at_s=observed.now_s,
        times=times,
        reset_at=render_epoch_time(observed.wall_s + backoff_s(times)) if action == "Reset" else "",
        held=action == "Pause",
    )
    record = replace(record, bites=bites)
    if action == "PowerOff":
        record = record.with_stop(StopReason.WATCHDOG, observed.now_s)
    return record, (TellWatchdog(action),)


def reset_in_s(observed: Observed, record: Record) -> float | None:
    """Seconds until the guest is to be reset for its watchdog, 0 or less: now; None: it is not."""
    bites = record.bites
    return bites.at_s + backoff_s(bites.times) - observed.now_s if bites.reset_at else None


def bite_wait(observed: Observed, record: Record) -> WaitingError | None:
    """Why the guest is not as spec wants it, if that is its watchdog."""
    assert observed.vm is not None
    name, bites = observed.vm.metadata.name, record.bites
    if bites.held:
        return as_error(WaitingError, "WatchdogFired", name=name)
    if not bites.reset_at:
        return None
    times = in_a_row(bites.times)
    return as_error(WaitingError, "WatchdogFired", times=times, at=bites.reset_at, name=name)


def let_go(record: Record) -> Record:
    """The record of a guest that is begun anew, or goes on because a user says so."""
    return replace(record, bites=replace(record.bites, reset_at="", held=False))
