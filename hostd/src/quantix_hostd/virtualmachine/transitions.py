"""What of a VM's new status is worth an event: that it started or ended, stands still or goes on, lost its
QEMU, has changes that wait for a restart, or that its agent came or fell silent. Pure.

Called by the reconciler after a status was written, with what the API said before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from quantix_api import VirtualMachine
from quantix_api.conditions import condition_in
from quantix_api.messages import render
from quantix_api.times import render_time
from quantix_hostd.told import Told
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.steps import Refusal
from quantix_hostd.virtualmachine.verdict import crashed_for_good

_LOST = frozenset({"Crashed", "Killed"})
_OF_STORAGE = frozenset({"StorageIOError", "PoolFull"})


@dataclass(frozen=True)
class Failure:
    """How a QEMU ended that was to run: `reason` as Ready would say it."""

    reason: str = "QEMUCrashed"
    out_of_memory: bool = False


def transitions(
    before: Observed, status: dict[str, Any], refusal: Refusal | None = None, failure: Failure | None = None
) -> tuple[Told, ...]:
    """The events between the status that `before.vm` still has and the one just written, oldest first.

    `failure` is how QEMU ended, where nobody wanted it to.
    `refusal` is what a start or a plug ran into; it is told when Ready comes to say it, not at each try.
    """
    assert before.vm is not None
    known, runtime = before.vm.status.runtime, status["runtime"]
    last_exit, started = runtime.get("lastExit"), runtime.get("startedAt")
    before_at = known.last_exit.at if known.last_exit else None
    ended = last_exit is not None and not _is_same(before_at, last_exit["at"])
    again = started is not None and not _is_same(known.started_at, started)
    told: list[Told] = []
    if ended:
        told.append(_ended(before, last_exit["reason"], failure or Failure()))
    if refusal is not None and _is_new_in_ready(before.vm, status):
        fields = {"said": refusal.error.message.rstrip("."), "name": before.vm.metadata.name}
        if refusal.of == "StartRefused":
            fields["host"] = before.facts.name
        told.append(Told(refusal.of, render(refusal.of, **fields).text, "Warning"))
    if again:
        text = render("Running", host=before.facts.name).text
        told.append(Told("Restarted" if ended else "Started", text))
    else:
        told += _stands_still_or_goes_on(before, status)
    pending, message = _shown(status, "RestartRequired")
    if pending and before.vm.status.condition("RestartRequired") is None:
        told.append(Told("RestartRequired", message))
    return (*told, *_agent_came_or_fell_silent(before.vm, status))


def _agent_came_or_fell_silent(vm: VirtualMachine, status: dict[str, Any]) -> list[Told]:
    known = vm.status.condition("AgentConnected")
    spoke = known is not None and known.status == "True"
    reason, message = _shown(status, "AgentConnected")
    if reason == "Connected" and not spoke:
        return [Told("AgentConnected", message)]
    return [Told("AgentLost", message, "Warning")] if reason == "Silent" and spoke else []


def _stands_still_or_goes_on(before: Observed, status: dict[str, Any]) -> list[Told]:
    """For a QEMU that is the same as before."""
    assert before.vm is not None
    phases = (before.vm.status.phase, status["phase"])
    if phases == ("Paused", "Running"):
        return [Told("Resumed", render("Running", host=before.facts.name).text)]
    if phases != ("Running", "Paused"):
        return []
    reason, message = _shown(status, "Ready")
    if reason in _OF_STORAGE:
        return [Told("StorageIOError", message, "Warning")]
    return [Told("Paused", message)]


def _ended(before: Observed, reason: str, failure: Failure) -> Told:
    assert before.vm is not None
    name = before.vm.metadata.name
    if reason in _LOST:
        return Told(failure.reason, _lost(before, reason, failure), "Warning")
    if reason == "GuestShutdown":
        return Told("Stopped", render("GuestShutdown", name=name).text)
    return Told("Stopped", render("Stopped").text)


def _lost(before: Observed, reason: str, failure: Failure) -> str:
    assert before.vm is not None
    host, name = before.facts.name, before.vm.metadata.name
    if failure.reason == "GuestPanicked":
        return render("GuestPanicked", name=name).text
    if before.vm.spec.ha.restart == "Never":
        return crashed_for_good(before, reason, out_of_memory=failure.out_of_memory)
    return render("QEMUCrashed", host=host).text if failure.out_of_memory else render("QEMUCrashed").text


def _is_new_in_ready(vm: VirtualMachine, status: dict[str, Any]) -> bool:
    known = vm.status.condition("Ready")
    return known is None or known.reason != _shown(status, "Ready")[0]


def _shown(status: dict[str, Any], condition_type: str) -> tuple[str, str]:
    """Reason and message of a condition; empty where it is not there."""
    condition = condition_in(status, condition_type)
    return condition.get("reason", ""), condition.get("message", "")


def _is_same(moment: datetime | None, text: str) -> bool:
    return moment is not None and render_time(moment) == text
