"""Plans what happens to a guest whose QEMU lives: stop, pause, reset, live changes. Pure.

A stop, once asked for, is carried through: an ACPI request cannot be taken back. What spec says when QEMU has
gone decides whether it starts again.
"""

from __future__ import annotations

from dataclasses import replace

from quantix_api.errors import WaitingError
from quantix_api.messages import as_error
from quantix_api.times import render_time
from quantix_hostd.domainxml.metadata import render_metadata
from quantix_hostd.facts.domain import DomainState, ShutdownMode
from quantix_hostd.facts.process import pids
from quantix_hostd.virtualmachine.actions import (
    Action,
    AskToShutDown,
    Destroy,
    EndProcess,
    Reset,
    Resume,
    Suspend,
    WirePorts,
    WriteMetadata,
)
from quantix_hostd.virtualmachine.io_error_plan import (
    is_on_trial,
    is_paused_by_io_error,
    plan_io_error,
    plan_trial,
    pools,
)
from quantix_hostd.virtualmachine.live_plan import plan_live
from quantix_hostd.virtualmachine.move_plan import MovePlan, plan_moves
from quantix_hostd.virtualmachine.observed import Observed, guest_is_ready
from quantix_hostd.virtualmachine.plug_plan import PlugPlan
from quantix_hostd.virtualmachine.record import Record, StopReason
from quantix_hostd.virtualmachine.steps import Plan, with_record
from quantix_hostd.virtualmachine.watchdog_plan import bite_wait, let_go, note_bite, reset_in_s

_ASK_AGAIN_S = 10.0
# after the grace period: a SIGTERM that lets QEMU finish its writes, and only then a SIGKILL
_GRACEFUL_KILL_S = 15.0
_SOFT_END_S = 10.0
_PORT_LOOK_S = 2.0
_GUEST_LOOK_S = 2.0
_KILLED = 0.0
# what is to end at once still gets so long for the one write that says which file it is on
_SETTLING_S = 10.0
_STILL_LOOK_S = 1.0


def plan_running(observed: Observed, record: Record, why: StopReason | None) -> Plan:
    """The next step for an active domain of the current epoch; `why` is None when it shall go on."""
    assert observed.vm is not None
    record, told = note_bite(observed, record)
    plan = _plan_noted(observed, record, why)
    # what is told stands in the record already, which is saved first
    return replace(plan, actions=(*plan.actions[:1], *told, *plan.actions[1:])) if told else plan


def _plan_noted(observed: Observed, record: Record, why: StopReason | None) -> Plan:
    assert observed.vm is not None
    if why is not None or record.stop is not None:
        stopping = record.with_stop(why or StopReason.REQUESTED, observed.now_s)
        seconds, name = observed.vm.spec.grace_period_seconds, observed.vm.metadata.name
        wait = as_error(WaitingError, "Stopping", seconds=seconds, name=name)
        return _plan_stopping(observed, stopping, _grace_s(observed, stopping), wait)
    if is_paused_by_io_error(observed):
        return plan_io_error(observed, record)
    if is_on_trial(observed):
        return plan_trial(observed, record)
    return _plan_power(observed, record)


def _plan_power(observed: Observed, record: Record) -> Plan:
    assert observed.vm is not None
    moving = plan_moves(observed, record)
    if moving.actions or moving.held:
        return _plan_moving(observed, record, moving)
    record, actions = _reset(observed, moving.record)
    actions += _wanted_power(observed, record)
    if observed.vm.spec.power_state == "Paused" and record.bites.held:
        record = let_go(record)
    live = plan_live(observed, record)
    actions += live.actions
    requeue = 0.0 if actions else _next_look_s(observed, live, moving)
    wait = bite_wait(observed, record) or live.wait or moving.wait
    return with_record(observed, live.record, *actions, wait=wait, requeue_after_s=requeue)


def _plan_moving(observed: Observed, record: Record, moving: MovePlan) -> Plan:
    """While a disk of it is being moved: `moving` says how, `record` is what was known before."""
    assert observed.domain is not None
    # what fails of a copy is tried again at each look, and must not hold up what spec asks
    power = () if moving.held else _wanted_power(observed, record)
    if power:
        return with_record(observed, record, *power, requeue_after_s=0.0)
    if moving.actions:
        return with_record(observed, moving.record, *moving.actions, wait=moving.wait, requeue_after_s=0.0)
    still = () if observed.domain.state is DomainState.PAUSED else (Suspend(),)
    return with_record(observed, moving.record, *still, wait=moving.wait, requeue_after_s=moving.again_s)


def _wanted_power(observed: Observed, record: Record) -> tuple[Action, ...]:
    """Whether the guest is to go on or to stand still: what is to be done for it, nothing when it does."""
    assert observed.vm is not None
    assert observed.domain is not None
    paused = observed.domain.state is DomainState.PAUSED
    if observed.vm.spec.power_state == "Paused" or record.bites.held:
        # QEMU 7.2 may die of it just when the copying of a disk ends (docs/adr/0050)
        return () if paused or observed.kept_still or observed.stalls else (Suspend(),)
    # nor just when it ends, and the guest of a moment that a hostd has left stands still until it has
    return (WirePorts(observed.ports), Resume()) if paused and not observed.in_moment else ()


def _next_look_s(observed: Observed, live: PlugPlan, moving: MovePlan) -> float | None:
    """What changes without an event: ports, the guest's answer, what it takes or lets go, what is waited for,
    the time of a restart.
    """
    looks = [live.ask_again_s, moving.again_s, _next_restart_s(observed)]
    looks.append(_GUEST_LOOK_S if observed.kept_still or observed.leaving is not None else None)
    looks.append(reset_in_s(observed, live.record))
    if not guest_is_ready(observed):
        looks.append(_GUEST_LOOK_S)
    if observed.port_problems:
        looks.append(_PORT_LOOK_S)
    if isinstance(observed.waiting, WaitingError):
        looks.append(observed.waiting.retry_after_s)
    return min((look for look in looks if look is not None), default=None)


def _plan_stopping(observed: Observed, record: Record, grace_s: float, wait: WaitingError) -> Plan:
    """A stop, which lets no guest go on that stands still for a move: what it wrote then would be in a file
    that nothing durable calls the volume. Ended as it stands it has written nothing since the switch, so the
    old file is as good.
    """
    assert observed.domain is not None
    assert record.stop is not None
    waited_s = observed.now_s - record.stop.since_s
    # once it may go on, all its time is its own
    moving = plan_moves(observed, replace(record, stop=replace(record.stop, since_s=observed.now_s)))
    if not moving.held or waited_s >= (max(grace_s, _SETTLING_S) if moving.actions else grace_s):
        return plan_stop(observed, record, grace_s, wait)
    if moving.actions:
        return with_record(observed, record, *moving.actions, wait=wait, requeue_after_s=0.0)
    still = () if observed.domain.state is DomainState.PAUSED else (Suspend(),)
    again_s = min(grace_s - waited_s, _STILL_LOOK_S)
    return with_record(observed, record, *still, wait=wait, requeue_after_s=max(again_s, 0.1))


def plan_stop(
    observed: Observed, record: Record, grace_s: float, wait: WaitingError, *, wakes: bool = True
) -> Plan:
    """The next step of a stop under way: ask the guest, end it after `grace_s` seconds; `wait` says so.
    Without `wakes` one that stands still is not asked, since it must not go on.
    """
    assert observed.domain is not None
    assert record.stop is not None
    waited_s = observed.now_s - record.stop.since_s
    if waited_s >= grace_s or is_paused_by_io_error(observed):
        # what nobody may wait for is ended at once; what had its time gets a SIGTERM first
        graceful = grace_s > _KILLED and waited_s < grace_s + _GRACEFUL_KILL_S
        if observed.processes and all(process.state == "D" for process in observed.processes):
            wait = as_error(WaitingError, "StuckInIO", pid=pids(observed.processes), pool=pools(observed))
        destroy = Destroy(graceful=graceful)
        return with_record(observed, record, destroy, wait=wait, requeue_after_s=1.0)
    paused = observed.domain.state is DomainState.PAUSED
    if paused and not wakes:
        again_s = min(grace_s - waited_s, _STILL_LOOK_S)
        return with_record(observed, record, wait=wait, requeue_after_s=max(again_s, 0.1))
    next_s = min(grace_s - waited_s, _ASK_AGAIN_S)
    asked_s = record.stop.asked_s
    if asked_s is not None and observed.now_s - asked_s < _ASK_AGAIN_S:
        next_s = min(next_s, _ASK_AGAIN_S - (observed.now_s - asked_s))
        return with_record(observed, record, wait=wait, requeue_after_s=max(next_s, 0.1))
    first = asked_s is None
    record = replace(record, stop=replace(record.stop, asked_s=observed.now_s))
    mode = ShutdownMode.AGENT if observed.agent_connected and first else ShutdownMode.ACPI
    wake: tuple[Action, ...] = (Resume(),) if paused else ()
    return with_record(observed, record, *wake, AskToShutDown(mode), wait=wait, requeue_after_s=next_s)


def plan_process_end(observed: Observed, record: Record, why: StopReason) -> Plan:
    """The next step to end QEMUs that libvirt denies: softly, then by force."""
    stopping = record.with_stop(why, observed.now_s)
    waited_s = observed.now_s - (stopping.stop.since_s if stopping.stop else observed.now_s)
    ends = tuple(EndProcess(process, waited_s >= _SOFT_END_S) for process in observed.processes)
    wait = as_error(WaitingError, "Stopping", host=observed.facts.name)
    return with_record(observed, stopping, *ends, wait=wait, requeue_after_s=1.0)


def _grace_s(observed: Observed, record: Record) -> float:
    assert observed.vm is not None
    assert record.stop is not None
    if record.stop.why is StopReason.WATCHDOG:
        return _KILLED
    if observed.vm.status.restore is not None:
        # what it would write is undone
        return _KILLED
    restart = observed.vm.spec.restart
    if record.stop.why is StopReason.RESTART and restart is not None and restart.mode == "Force":
        return _KILLED
    return float(observed.vm.spec.grace_period_seconds)


def _reset(observed: Observed, record: Record) -> tuple[Record, list[Action]]:
    if observed.kept_still:
        return record, []
    due_s = reset_in_s(observed, record)
    record, asked = _asked_reset(observed, record)
    if asked or (due_s is not None and due_s <= 0):
        return let_go(record), asked or [Reset()]
    return record, []


def _asked_reset(observed: Observed, record: Record) -> tuple[Record, list[Action]]:
    restart = observed.vm.spec.restart if observed.vm else None
    if restart is None or restart.mode != "Reset" or restart.at.timestamp() > observed.wall_s:
        return record, []
    at = render_time(restart.at)
    if at <= record.handled_restart_at:
        return record, []
    metadata = observed.live.metadata if observed.live else None
    mark = [WriteMetadata(render_metadata(replace(metadata, handled_restart_at=at)))] if metadata else []
    return replace(record, handled_restart_at=at), [Reset(), *mark]


def _next_restart_s(observed: Observed) -> float | None:
    restart = observed.vm.spec.restart if observed.vm else None
    if restart is None or restart.at.timestamp() <= observed.wall_s:
        return None
    return restart.at.timestamp() - observed.wall_s
