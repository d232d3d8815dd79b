"""In one place: what a VM on this host is doing, as phase and Ready. Pure; called by `status`.

A program never decides by the phase; `runtime` and the conditions say it exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from quantix_api import VirtualMachine
from quantix_api.conditions import STALLED_REASONS, ready_reason
from quantix_api.errors import InvariantError, PermanentError, QuantixError, TransientError, WaitingError
from quantix_api.message_table_phrases import NOTHING_LEFT
from quantix_api.messages import message_of, render
from quantix_api.model import Condition
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.facts.switch import PortProblem
from quantix_hostd.virtualmachine.io_error_plan import is_on_trial
from quantix_hostd.virtualmachine.observed import Observed, guest_is_ready
from quantix_hostd.virtualmachine.record import StopReason
from quantix_hostd.virtualmachine.steps import Plan

_FAILED = frozenset(
    {
        "QEMUCrashed",
        "GuestPanicked",
        "WatchdogFired",
        "OrphanProcess",
        "IdentityConflict",
        "InternalError",
        "ConfigRefused",
        "DataMissing",
        "DataDamaged",
    }
)


@dataclass(frozen=True)
class Verdict:
    """`passing`: it is on its way and nothing is wrong, so it is not worth a write for the first moments."""

    phase: str
    ready: bool
    reason: str
    message: str
    passing: bool = False

    @property
    def stalled(self) -> bool:
        return not self.ready and self.reason in STALLED_REASONS


def judge(observed: Observed, plan: Plan, error: QuantixError | None) -> Verdict:
    """What to say of the VM after this look; `error` is what the last action raised."""
    if plan.record.released:
        return _released(observed, plan)
    # that libvirt cannot end a QEMU which hangs in the kernel follows from it, and says less
    if error is not None and not isinstance(error, WaitingError) and not _is_stuck(plan):
        if observed.domain is not None and observed.domain.state is DomainState.RUNNING:
            # what cannot be done to a guest that runs leaves it running
            return replace(refused(error), phase=_active(observed, plan).phase)
        gone = not observed.runs and isinstance(error, TransientError)
        return _unreleased(error) if plan.record.ended and gone else refused(error)
    if observed.domain is not None and observed.domain.active:
        return _active(observed, plan)
    wait = error or plan.wait
    if plan.record.ended:
        text = message_of(wait) if wait else render("Stopping", host=observed.facts.name).text
        return Verdict("Stopping", False, "Stopping", text, passing=True)
    if wait is None or wait.reason == "Starting":
        return _starting(observed, wait)
    reason = _known(wait.reason)
    failed = reason in _FAILED
    return Verdict("Failed" if failed else "Starting", False, reason, message_of(wait), passing=not failed)


def _active(observed: Observed, plan: Plan) -> Verdict:
    assert observed.domain is not None
    assert observed.vm is not None
    host = observed.facts.name
    if plan.record.stop is not None:
        return _stopping(observed, plan)
    if isinstance(plan.wait, InvariantError):
        return refused(plan.wait)
    if plan.wait is not None and is_on_trial(observed):
        return Verdict("Paused", False, _known(plan.wait.reason), message_of(plan.wait), passing=True)
    if observed.domain.state is DomainState.PAUSED:
        if plan.wait is not None:
            return Verdict("Paused", False, _known(plan.wait.reason), message_of(plan.wait))
        if observed.vm.spec.power_state == "Paused":
            return Verdict("Paused", True, "Paused", render("Paused", host=host).text)
        return _starting(observed, None)
    if observed.port_problems:
        problem = observed.port_problems[0]
        return Verdict("Running", False, problem.reason, _port_text(observed, problem))
    wait = plan.wait or observed.waiting
    if wait is not None:
        passing = wait.reason not in _FAILED
        return Verdict("Running", False, _known(wait.reason), message_of(wait), passing=passing)
    denied = _denied(observed.vm)
    if denied is not None:
        return Verdict("Running", False, _known(denied.reason), denied.message)
    readiness = observed.vm.spec.readiness
    if readiness is not None and not guest_is_ready(observed):
        return _guest_not_ready(observed, readiness.timeout_seconds)
    return Verdict("Running", True, "Running", render("Running", host=host).text)


def _is_stuck(plan: Plan) -> bool:
    return plan.wait is not None and plan.wait.reason == "StuckInIO"


def _denied(vm: VirtualMachine) -> Condition | None:
    """What the operator does not give a guest that runs, though spec asks for it, or what is about to be
    taken from it: a disk that is being deleted goes once it stops. Short waits are none.
    """
    said = (vm.status.condition(name) for name in ("SizeGranted", "NetworkReady", "VolumesReady"))
    return next((item for item in said if item and item.status == "False" and _is_told(item)), None)


def _is_told(said: Condition) -> bool:
    # what else is to be said of volumes is seen here
    return said.reason == "VolumeInUse" if said.type == "VolumesReady" else said.reason != "Programming"


def _port_text(observed: Observed, problem: PortProblem) -> str:
    nics = observed.vm.status.nics if observed.vm else ()
    nic = next((nic.name for nic in nics if nic.port == problem.port), problem.port)
    host = observed.facts.name
    if problem.reason == "DuplicateInterface":
        return render("DuplicateInterface", host=host, nic=nic, interfaces=problem.detail).text
    return render("PortNotBound", host=host, nic=nic, why=problem.detail).text


def _starting(observed: Observed, wait: QuantixError | None) -> Verdict:
    text = message_of(wait) if wait else render("Starting", host=observed.facts.name).text
    return Verdict("Starting", False, "Starting", text, passing=True)


def _guest_not_ready(observed: Observed, timeout_s: int) -> Verdict:
    assert observed.vm is not None
    readiness = observed.vm.spec.readiness
    passing = observed.now_s - observed.record.started_s < timeout_s
    said: dict[str, object] = {
        "name": observed.vm.metadata.name,
        "within" if passing else "seconds": timeout_s,
    }
    if readiness is not None and readiness.tcp_port is not None:
        said["port"] = readiness.tcp_port
    return Verdict("Running", False, "GuestNotReady", render("GuestNotReady", **said).text, passing=passing)


def _stopping(observed: Observed, plan: Plan) -> Verdict:
    assert observed.vm is not None
    if plan.wait is not None and _is_stuck(plan):
        return Verdict("Stopping", False, "StuckInIO", message_of(plan.wait))
    stop = plan.record.stop
    if stop is not None and stop.why is StopReason.RESTART:
        text = render("Restarting", host=observed.facts.name).text
        return Verdict("Stopping", False, "Restarting", text, passing=True)
    name, grace_s = observed.vm.metadata.name, observed.vm.spec.grace_period_seconds
    return Verdict(
        "Stopping", False, "Stopping", render("Stopping", seconds=grace_s, name=name).text, passing=True
    )


def _unreleased(error: QuantixError) -> Verdict:
    """Its QEMU is gone, and what was to be given back is not."""
    return Verdict("Stopping", False, _known(error.reason), message_of(error))


def _released(observed: Observed, plan: Plan) -> Verdict:
    assert observed.vm is not None
    host, name = observed.facts.name, observed.vm.metadata.name
    if observed.vm.metadata.deletion_timestamp is not None:
        text = render("Deleting", what=NOTHING_LEFT.format(host=host)).text
        return Verdict("Stopped", False, "Deleting", text)
    if observed.vm.spec.power_state == "Stopped":
        return Verdict("Stopped", True, "Stopped", render("Stopped").text)
    last = plan.record.last_exit.reason if plan.record.last_exit else ""
    if last == "GuestShutdown":
        return Verdict("Stopped", False, "GuestShutdown", render("GuestShutdown", name=name).text)
    if last in ("Crashed", "Killed"):
        if plan.record.failure == "GuestPanicked":
            return Verdict("Failed", False, "GuestPanicked", render("GuestPanicked", name=name).text)
        said = crashed_for_good(observed, last, out_of_memory=plan.record.out_of_memory)
        return Verdict("Failed", False, "QEMUCrashed", said)
    if observed.maintenance:
        return Verdict("Stopped", False, "ShuttingDown", render("ShuttingDown", emptied=host).text)
    if observed.shutting_down:
        return Verdict("Stopped", False, "ShuttingDown", render("ShuttingDown", host=host).text)
    return Verdict("Stopped", False, "Pending", render("Pending", host=host).text)


def crashed_for_good(observed: Observed, exit_reason: str, *, out_of_memory: bool) -> str:
    """Of a VM whose QEMU ended and is not started again."""
    assert observed.vm is not None
    host, name = observed.facts.name, observed.vm.metadata.name
    if out_of_memory:
        return render("QEMUCrashed", host=host, name=name).text
    return render("QEMUCrashed", said=exit_reason.lower(), name=name).text


def refused(error: QuantixError) -> Verdict:
    """What an action, or the look at the VM itself, ran into."""
    final = isinstance(error, PermanentError | InvariantError)
    return Verdict("Failed" if final else "Starting", False, _known(error.reason), message_of(error))


def _known(reason: str) -> str:
    return ready_reason("VirtualMachine", reason)
