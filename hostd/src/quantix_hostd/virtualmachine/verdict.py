"""In one place: what a VM on this host is doing, as phase and Ready. Pure; called by `status`.

A program never decides by the phase; `runtime` and the conditions say it exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api.errors import InvariantError, PermanentError, QuantixError, WaitingError
from quantix_hostd.clients.hypervisor import DomainState
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.record import StopReason
from quantix_hostd.virtualmachine.steps import Plan

# reasons of VirtualMachine's Ready that a host may give (api.md, section 6)
_REASONS = frozenset(
    {
        "Pending",
        "Deleting",
        "InternalError",
        "Starting",
        "Stopping",
        "Restarting",
        "PortNotBound",
        "DuplicateInterface",
        "SouthboundUnreachable",
        "WaitingForGuest",
        "OrphanProcess",
        "StateMissing",
        "GuestPanicked",
        "StuckInIO",
        "SecretNotFound",
        "IdentityConflict",
        "GuestNotReady",
        "GuestShutdown",
        "QEMUCrashed",
        "StorageIOError",
        "PoolFull",
        "HostFailed",
        "ConfigRefused",
        "VolumeNotFound",
        "VolumeInUse",
        "VolumeConflict",
        "ImageNotFound",
        "ImageDownloading",
        "ImageRefused",
        "SourceNotFound",
        "PoolNotFound",
        "PoolUnreachable",
        "Creating",
        "Moving",
        "Programming",
        "NetworkNotFound",
        "DataMissing",
    }
)
_STALLED = frozenset({"GuestShutdown", "ConfigRefused", "IdentityConflict", "VolumeConflict"})
_FAILED = frozenset({"QEMUCrashed", "GuestPanicked", "OrphanProcess", "InternalError", "ConfigRefused"})


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
        return not self.ready and self.reason in _STALLED


def judge(observed: Observed, plan: Plan, error: QuantixError | None) -> Verdict:
    """What to say of the VM after this look; `error` is what the last action raised."""
    if plan.record.released:
        return _released(observed, plan)
    if error is not None and not isinstance(error, WaitingError):
        return _refused(error)
    if observed.domain is not None and observed.domain.active:
        return _active(observed, plan)
    wait = error or plan.wait
    if plan.record.ended:
        return Verdict(
            "Stopping", False, _known("Stopping"), _text(wait, "It is being released."), passing=True
        )
    if wait is None:
        return Verdict("Starting", False, "Starting", "The guest is being started.", passing=True)
    reason = _known(wait.reason)
    failed = reason in _FAILED
    return Verdict("Failed" if failed else "Starting", False, reason, _text(wait), passing=not failed)


def _active(observed: Observed, plan: Plan) -> Verdict:
    assert observed.domain is not None
    assert observed.vm is not None
    if plan.record.stop is not None:
        return _stopping(plan)
    if isinstance(plan.wait, InvariantError):
        return _refused(plan.wait)
    if observed.domain.state is DomainState.PAUSED:
        if plan.wait is not None:
            return Verdict("Paused", False, _known(plan.wait.reason), _text(plan.wait))
        if observed.vm.spec.power_state == "Paused":
            return Verdict("Paused", True, "Paused", "The guest is paused.")
        return Verdict("Starting", False, "Starting", "The guest is being started.", passing=True)
    if observed.port_problems:
        problem = observed.port_problems[0]
        return Verdict("Running", False, problem.reason, problem.message)
    readiness = observed.vm.spec.readiness
    if readiness is not None and readiness.agent is not None and not observed.agent_connected:
        return Verdict("Running", False, "GuestNotReady", "The agent in the guest has not answered yet.")
    return Verdict("Running", True, "Running", f"The guest runs on {observed.facts.name}.")


def _stopping(plan: Plan) -> Verdict:
    stop = plan.record.stop
    restarting = stop is not None and stop.why is StopReason.RESTART
    if plan.wait is not None and plan.wait.reason == "StuckInIO":
        return Verdict("Stopping", False, "StuckInIO", _text(plan.wait))
    reason = "Restarting" if restarting else "Stopping"
    return Verdict("Stopping", False, reason, "The guest is asked to shut down.", passing=True)


def _released(observed: Observed, plan: Plan) -> Verdict:
    assert observed.vm is not None
    if observed.vm.metadata.deletion_timestamp is not None:
        return Verdict("Stopped", False, "Deleting", f"Nothing of it is left on {observed.facts.name}.")
    if observed.vm.spec.power_state == "Stopped":
        return Verdict("Stopped", True, "Stopped", "The VM is stopped.")
    last = plan.record.last_exit.reason if plan.record.last_exit else ""
    if last == "GuestShutdown":
        message = "The guest powered itself off. Try: `qx vm start`."
        return Verdict("Stopped", False, "GuestShutdown", message)
    if last in ("Crashed", "Killed"):
        message = "QEMU ended, and ha.restart is Never. Try: `qx vm start`."
        return Verdict("Failed", False, plan.record.failure or "QEMUCrashed", message)
    return Verdict("Stopped", False, "Pending", "The VM is off and waits for a host.")


def _refused(error: QuantixError) -> Verdict:
    final = isinstance(error, PermanentError | InvariantError)
    return Verdict("Failed" if final else "Starting", False, _known(error.reason), str(error))


def _known(reason: str) -> str:
    return reason if reason in _REASONS else "InternalError"


def _text(wait: QuantixError | None, default: str = "") -> str:
    return str(wait) if wait is not None else default
