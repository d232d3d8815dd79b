"""Why a guest's QEMU is gone, and what follows: the table of hypervisor.md, section 5. Pure.

```
      libvirt refuses to start ► NOT_STARTED ── tried again: no guest ended, and none is told
            guest powers off ─► GUEST_SHUTDOWN ─ Always: start │ else: release, held
            its watchdog ────► WATCHDOG ─────── as that, with a backoff where it starts again
  running ─ we stop it ──────► REQUESTED ────── start again when restarting, else release
            SIGTERM, destroy ─► HOST_SIGNAL, DESTROYED ─┐
            kill -9, SIGSEGV ─► CRASHED ────────────────┤
      the kernel has no memory ► OUT_OF_MEMORY ─────────┼ OnFailure, Always: start after a backoff
            guest panics ─────► PANICKED ───────────────┘ Never: release, held
            machine rebooted ─► HOST_REBOOTED ─ as a failure, without a backoff
```
Called by the planner only.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from quantix_api.times import render_epoch_time
from quantix_hostd.facts.domain import DomainSnapshot, EventKind, ShutoffReason
from quantix_hostd.virtualmachine.record import LastExit, Record, SeenEvent, StopReason

_FIRST_DELAYS_S = (0.0, 5.0)
LONGEST_DELAY_S = 300.0
RESET_AFTER_S = 600.0
"""Running for so long forgives earlier failures."""


class Death(StrEnum):
    NOT_STARTED = "NotStarted"
    REQUESTED = "Requested"
    GUEST_SHUTDOWN = "GuestShutdown"
    UNKNOWN_CLEAN = "UnknownClean"
    WATCHDOG = "Watchdog"
    HOST_SIGNAL = "HostSignal"
    DESTROYED = "Destroyed"
    CRASHED = "Crashed"
    OUT_OF_MEMORY = "OutOfMemory"
    PANICKED = "Panicked"
    HOST_REBOOTED = "HostRebooted"


_CLEAN = frozenset({Death.GUEST_SHUTDOWN, Death.UNKNOWN_CLEAN})
_LEFT_OFF = _CLEAN | {Death.WATCHDOG}
_FREE = frozenset({Death.NOT_STARTED, Death.REQUESTED})
_EXIT_REASONS = {
    Death.REQUESTED: "Requested",
    Death.GUEST_SHUTDOWN: "GuestShutdown",
    Death.UNKNOWN_CLEAN: "GuestShutdown",
    Death.WATCHDOG: "GuestShutdown",
    Death.HOST_SIGNAL: "Killed",
    Death.DESTROYED: "Killed",
    Death.CRASHED: "Crashed",
    Death.OUT_OF_MEMORY: "Killed",
    Death.PANICKED: "Crashed",
    Death.HOST_REBOOTED: "Killed",
}
_FAILURES = {Death.PANICKED: "GuestPanicked", Death.WATCHDOG: "WatchdogFired"}


def classify(
    domain: DomainSnapshot | None, events: tuple[SeenEvent, ...], record: Record, boot_id: str
) -> Death:
    """Why the QEMU of `record` is gone; `domain` is inactive, or crashed with QEMU kept."""
    if record.stop is not None:
        return Death.WATCHDOG if record.stop.why is StopReason.WATCHDOG else Death.REQUESTED
    if record.boot_id != boot_id:
        return Death.HOST_REBOOTED
    if domain is None:
        return Death.DESTROYED
    if _panicked(domain, events):
        return Death.PANICKED
    if domain.reason == ShutoffReason.SHUTDOWN:
        return _clean_death(events)
    if domain.reason == ShutoffReason.DESTROYED:
        return Death.DESTROYED
    if domain.reason == ShutoffReason.CRASHED:
        return Death.CRASHED
    # a failed start, or a libvirtd that forgot: the events are what is left
    return _by_events(events)


def restarts_after(death: Death, ha_restart: str) -> bool:
    """Whether hostd starts the VM again under the same epoch; `ha_restart` as in spec.ha.restart."""
    if death in _FREE:
        return True
    if ha_restart == "Never":
        return False
    return ha_restart == "Always" if death in _LEFT_OFF else True


def note_death(record: Record, death: Death, now_s: float, wall_s: float) -> Record:
    """The record after this death: what the last exit was, and when the next start may be. `now_s` is since
    the boot, `wall_s` since 1970.

    A start that libvirt refused is no exit, and neither forgives earlier failures nor counts as a restart.
    """
    if death is Death.NOT_STARTED:
        restarts = record.restarts - (1 if record.failures and record.restarts else 0)
        return replace(record, started=False, started_at="", started_s=0.0, restarts=restarts)
    exit_reason = _EXIT_REASONS[death]
    if death is Death.REQUESTED and record.stop and record.stop.why is StopReason.HOST_SHUTDOWN:
        exit_reason = StopReason.HOST_SHUTDOWN.value
    last_exit = LastExit(exit_reason, render_epoch_time(wall_s))
    ended = replace(record, started=False, stop=None, unplugs=(), last_exit=last_exit)
    if death in _FREE or death in _CLEAN or death is Death.HOST_REBOOTED:
        return replace(ended, failures=0, next_start_s=0.0, next_start_at="", failure="", out_of_memory=False)
    ran_long = record.started_s > 0 and now_s - record.started_s >= RESET_AFTER_S
    failures = 1 if ran_long else record.failures + 1
    delay_s = backoff_s(failures)
    return replace(
        ended,
        failures=failures,
        next_start_s=now_s + delay_s,
        next_start_at=render_epoch_time(wall_s + delay_s),
        failure=_FAILURES.get(death, "QEMUCrashed"),
        out_of_memory=death is Death.OUT_OF_MEMORY,
    )


def backoff_s(failures: int) -> float:
    """0, 5, 10, 20 … 300 s before the start after the n-th failure in a row (n from 1)."""
    if failures <= len(_FIRST_DELAYS_S):
        return _FIRST_DELAYS_S[max(failures, 1) - 1]
    return min(LONGEST_DELAY_S, _FIRST_DELAYS_S[1] * 2.0 ** min(failures - len(_FIRST_DELAYS_S), 20))


def in_a_row(times: int) -> str:
    """In words, how often something happened."""
    return "once" if times == 1 else f"{times} times in a row"


def _panicked(domain: DomainSnapshot, events: tuple[SeenEvent, ...]) -> bool:
    return domain.state.name == "CRASHED" or any(event.kind is EventKind.CRASHED for event in events)


def _clean_death(events: tuple[SeenEvent, ...]) -> Death:
    shutdowns = [event.detail for event in events if event.kind is EventKind.SHUTDOWN]
    if not shutdowns:
        return Death.UNKNOWN_CLEAN
    return Death.GUEST_SHUTDOWN if shutdowns[-1] == "GUEST" else Death.HOST_SIGNAL


def _by_events(events: tuple[SeenEvent, ...]) -> Death:
    stops = [event.detail for event in events if event.kind is EventKind.STOPPED]
    if not stops:
        return Death.NOT_STARTED
    if stops[-1] == "SHUTDOWN":
        return _clean_death(events)
    return Death.DESTROYED if stops[-1] == "DESTROYED" else Death.CRASHED
