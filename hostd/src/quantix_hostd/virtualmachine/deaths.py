"""Why a guest's QEMU is gone, and what follows: the table of hypervisor.md, section 5. Pure.

```
      libvirt refuses to start ► NOT_STARTED ── tried again: no guest ended, and none is told
            guest powers off ─► GUEST_SHUTDOWN ─ Always: start │ else: release, held
  running ─ we stop it ──────► REQUESTED ────── start again when restarting, else release
            SIGTERM, destroy ─► HOST_SIGNAL, DESTROYED ─┐
            kill -9, SIGSEGV ─► CRASHED ────────────────┼ OnFailure, Always: start after a backoff
            guest panics ─────► PANICKED ───────────────┘ Never: release, held
            machine rebooted ─► HOST_REBOOTED ─ as a failure, without a backoff
```
Called by the planner only.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from quantix_hostd.facts.domain import DomainSnapshot, EventKind, ShutoffReason
from quantix_hostd.virtualmachine.record import LastExit, Record, SeenEvent, StopReason

_FIRST_DELAYS_S = (0.0, 5.0)
_MAX_DELAY_S = 300.0
_RESET_AFTER_S = 600.0


class Death(StrEnum):
    NOT_STARTED = "NotStarted"
    REQUESTED = "Requested"
    GUEST_SHUTDOWN = "GuestShutdown"
    UNKNOWN_CLEAN = "UnknownClean"
    HOST_SIGNAL = "HostSignal"
    DESTROYED = "Destroyed"
    CRASHED = "Crashed"
    PANICKED = "Panicked"
    HOST_REBOOTED = "HostRebooted"


_CLEAN = frozenset({Death.GUEST_SHUTDOWN, Death.UNKNOWN_CLEAN})
_FREE = frozenset({Death.NOT_STARTED, Death.REQUESTED})
_EXIT_REASONS = {
    Death.REQUESTED: "Requested",
    Death.GUEST_SHUTDOWN: "GuestShutdown",
    Death.UNKNOWN_CLEAN: "GuestShutdown",
    Death.HOST_SIGNAL: "Killed",
    Death.DESTROYED: "Killed",
    Death.CRASHED: "Crashed",
    Death.PANICKED: "Crashed",
    Death.HOST_REBOOTED: "Killed",
}


def classify(
    domain: DomainSnapshot | None, events: tuple[SeenEvent, ...], record: Record, boot_id: str
) -> Death:
    """Why the QEMU of `record` is gone; `domain` is inactive, or crashed with QEMU kept."""
    if record.stop is not None:
        return Death.REQUESTED
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
    return ha_restart == "Always" if death in _CLEAN else True


def note_death(record: Record, death: Death, now_s: float, at: str) -> Record:
    """The record after this death: what the last exit was, and when the next start may be.

    A start that libvirt refused is no exit, and neither forgives earlier failures nor counts as a restart.
    """
    if death is Death.NOT_STARTED:
        restarts = record.restarts - (1 if record.failures and record.restarts else 0)
        return replace(record, started=False, started_at="", started_s=0.0, restarts=restarts)
    exit_reason = _EXIT_REASONS[death]
    if death is Death.REQUESTED and record.stop and record.stop.why is StopReason.HOST_SHUTDOWN:
        exit_reason = StopReason.HOST_SHUTDOWN.value
    ended = replace(record, started=False, stop=None, unplugs=(), last_exit=LastExit(exit_reason, at))
    if death in _FREE or death in _CLEAN or death is Death.HOST_REBOOTED:
        return replace(ended, failures=0, next_start_s=0.0, failure="")
    ran_long = record.started_s > 0 and now_s - record.started_s >= _RESET_AFTER_S
    failures = 1 if ran_long else record.failures + 1
    reason = "GuestPanicked" if death is Death.PANICKED else "QEMUCrashed"
    return replace(ended, failures=failures, next_start_s=now_s + backoff_s(failures), failure=reason)


def backoff_s(failures: int) -> float:
    """0, 5, 10, 20 … 300 s before the start after the n-th failure in a row (n from 1)."""
    if failures <= len(_FIRST_DELAYS_S):
        return _FIRST_DELAYS_S[max(failures, 1) - 1]
    return min(_MAX_DELAY_S, _FIRST_DELAYS_S[1] * 2.0 ** min(failures - len(_FIRST_DELAYS_S), 20))


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
