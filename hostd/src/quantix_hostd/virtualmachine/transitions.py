"""What of a VM's new status is worth an event: that it started, ended, or its QEMU was lost. Pure.

Called by the reconciler after a status was written, with what the API said before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from quantix_api import VirtualMachine
from quantix_api.messages import render
from quantix_api.times import render_time
from quantix_hostd.virtualmachine.observed import Observed

_LOST = frozenset({"Crashed", "Killed"})


@dataclass(frozen=True)
class Told:
    """One event about the VM, without who and when."""

    reason: str
    text: str
    type: Literal["Normal", "Warning"] = "Normal"


def transitions(before: Observed, status: dict[str, Any]) -> tuple[Told, ...]:
    """The events between the status that `before.vm` still has and the one just written, oldest first."""
    assert before.vm is not None
    known, runtime = before.vm.status.runtime, status["runtime"]
    last_exit, started = runtime.get("lastExit"), runtime.get("startedAt")
    before_at = known.last_exit.at if known.last_exit else None
    ended = last_exit is not None and not _is_same(before_at, last_exit["at"])
    again = started is not None and not _is_same(known.started_at, started)
    told: list[Told] = []
    if ended:
        told.append(_ended(before.vm, last_exit["reason"]))
    if again:
        text = render("Running", host=before.facts.name).text
        told.append(Told("Restarted" if ended else "Started", text))
    return tuple(told)


def _ended(vm: VirtualMachine, reason: str) -> Told:
    name = vm.metadata.name
    if reason in _LOST:
        if vm.spec.ha.restart != "Never":
            return Told("QEMUCrashed", render("QEMUCrashed").text, "Warning")
        return Told("QEMUCrashed", render("QEMUCrashed", said=reason.lower(), name=name).text, "Warning")
    if reason == "GuestShutdown":
        return Told("Stopped", render("GuestShutdown", name=name).text)
    return Told("Stopped", render("Stopped").text)


def _is_same(moment: datetime | None, text: str) -> bool:
    return moment is not None and render_time(moment) == text
