"""What a VM's assignment should become: the state machine between a wish (spec) and a report (hostd).

Pure; called by the placement controller for every VM. A host is given only by `plan.place`; what is
decided here is who keeps a host, who gives it up, who is held and who may ask for a place.

    no host ──wanted, not held, volumes exist──► asks for a place ──fits──► host (epoch + 1)
       ▲                                                                      │
       │  hold GuestShutdown | Crashed: until powerState Stopped, a newer     │ hostd reported that it stopped
       │  restart.at, or an ha.restart that brings it back                    ▼ and let go, for this epoch
       └──────────────────────── gives up the host (epoch + 1), with or without a hold
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

_FAILURES = frozenset({"Crashed", "Killed"})


class Hold(StrEnum):
    GUEST_SHUTDOWN = "GuestShutdown"
    CRASHED = "Crashed"
    HOST_KILLER = "HostKiller"


@dataclass(frozen=True)
class Assignment:
    """`status.assignment`. Epoch 0: never assigned. While there is no host, `last_host` is the one before,
    and `returning` says that its shutdown ended the VM, which nobody stopped since.
    """

    host: str | None = None
    epoch: int = 0
    hold: str | None = None
    last_host: str | None = None
    returning: bool = False


@dataclass(frozen=True)
class VmFacts:
    """What of a VM decides about its assignment. Times are UTC; `last_exit` is runtime.lastExit.reason."""

    assignment: Assignment
    power_state: str = "Running"
    ha_restart: str = "OnFailure"
    restart_at: datetime | None = None
    handled_restart_at: datetime | None = None
    observed_epoch: int = 0
    claim_epoch: int = 0
    """The epoch of its volumes' claims, where hostd found it above the assignment's."""
    domain_absent: bool = False
    last_exit: str = ""
    deleting: bool = False
    migrating: bool = False
    """It moves to another host: nothing else is decided about it before that is over."""
    restoring: bool = False
    """It is set back to a snapshot: until that is over no host gets it."""
    prepared: bool = True
    """Volumes, instance type and the addresses that it names are there, and nothing bars it: it may ask for
    a place.
    """


class Step(StrEnum):
    KEEP = "Keep"
    IDLE = "Idle"
    GIVE_UP = "GiveUp"
    HELD = "Held"
    WAIT = "Wait"
    PLACE = "Place"


@dataclass(frozen=True)
class Transition:
    """What to do with one VM. `assignment`: as it is without a (new) host. PLACE: fill it if a host fits."""

    step: Step
    assignment: Assignment
    look_again_at: datetime | None = None


def next_epoch(vm: VmFacts) -> int:
    """Higher than every epoch that was ever heard of."""
    return max(vm.assignment.epoch, vm.observed_epoch, vm.claim_epoch) + 1


def transition(vm: VmFacts, now: datetime) -> Transition:
    """The one transition of the diagram that applies now."""
    if vm.assignment.host is None:
        return _transition_without_host(vm, now)
    if vm.migrating:
        return Transition(Step.KEEP, vm.assignment)
    if vm.deleting or not has_let_go(vm):
        return Transition(Step.KEEP, _corrected(vm))
    hold = None if vm.restoring else _hold_after(vm, now)
    assignment = Assignment(None, next_epoch(vm), hold, vm.assignment.host, returns(vm))
    if vm.power_state == "Stopped" or vm.restoring:
        return Transition(Step.GIVE_UP, assignment)
    if hold is not None:
        return Transition(Step.GIVE_UP, assignment, _future_restart(vm, now))
    return Transition(Step.PLACE, assignment)


def returns(vm: VmFacts) -> bool:
    """Whether it ran until its host was shut down, and asks for a place again since then."""
    if vm.power_state == "Stopped":
        return False
    return vm.assignment.returning if vm.assignment.host is None else vm.last_exit == "HostShutdown"


def has_let_go(vm: VmFacts) -> bool:
    """hostd reported, for this epoch, that domain, process and claims of the VM are released.

    Before a start, and between a crash and the restart on the same host, it says no such thing. Of a VM that
    moves it may say so: then another host has it.
    """
    return not vm.migrating and vm.observed_epoch == vm.assignment.epoch and vm.domain_absent


def _corrected(vm: VmFacts) -> Assignment:
    """The assignment as the claims have it: the host holds them under a later epoch than an API that was
    restored remembers. The assignment is corrected from the claim, never the reverse (ha.md, Ownership).
    """
    is_later = vm.observed_epoch == vm.assignment.epoch < vm.claim_epoch
    return replace(vm.assignment, epoch=vm.claim_epoch) if is_later else vm.assignment


def _transition_without_host(vm: VmFacts, now: datetime) -> Transition:
    free = replace(vm.assignment, hold=None, returning=False)
    if vm.deleting or vm.restoring:
        return Transition(Step.IDLE, vm.assignment)
    if vm.power_state == "Stopped":
        return Transition(Step.IDLE, free)
    if vm.assignment.hold is not None and not _lifted(vm, vm.assignment.hold, now):
        return Transition(Step.HELD, vm.assignment, _future_restart(vm, now))
    if not vm.prepared:
        return Transition(Step.IDLE, vm.assignment)
    return Transition(Step.PLACE, vm.assignment)


def _hold_after(vm: VmFacts, now: datetime) -> str | None:
    """Which hold the end of this VM asks for, if nothing lifts it at once."""
    if vm.power_state == "Stopped":
        return None
    hold: Hold | None = None
    if vm.last_exit == "GuestShutdown":
        hold = Hold.GUEST_SHUTDOWN
    elif vm.last_exit in _FAILURES:
        hold = Hold.CRASHED
    return None if hold is None or _lifted(vm, hold, now) else hold.value


def _lifted(vm: VmFacts, hold: str, now: datetime) -> bool:
    brings_back = {
        Hold.GUEST_SHUTDOWN: ("Always",),
        Hold.CRASHED: ("Always", "OnFailure"),
    }.get(Hold(hold), ())
    return vm.ha_restart in brings_back or (_restart_asked(vm) and _future_restart(vm, now) is None)


def _restart_asked(vm: VmFacts) -> bool:
    if vm.restart_at is None:
        return False
    return vm.handled_restart_at is None or vm.restart_at > vm.handled_restart_at


def _future_restart(vm: VmFacts, now: datetime) -> datetime | None:
    """The time of a restart that was asked for and lies ahead: nothing else would wake this VM."""
    if vm.restart_at is not None and _restart_asked(vm) and vm.restart_at > now:
        return vm.restart_at
    return None
