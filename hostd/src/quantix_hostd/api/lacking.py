"""What is said where a VM has no console or no screen now: why, and what would give it one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quantix_api.conditions import condition_of

# Stopped: of one that has just been asked to run
_STARTING = ("Starting", "Restarting", "Stopped")


def lacks(vm: Mapping[str, Any], what: str) -> str:
    """Of a VM whose guest offers no `what` (console, screen). Ready may lag behind by a moment."""
    name, spec = vm["metadata"]["name"], vm.get("spec") or {}
    reason, wants = condition_of(vm).get("reason"), spec.get("powerState", "Running")
    if wants == "Stopped" or reason == "GuestShutdown":
        return f"{name} is off: it has no {what}. Try: qx vm start {name}."
    if reason in _STARTING:
        return f"{name} is starting: it has no {what} yet. Try: qx vm explain {name}."
    return f"{name} has no {what} now. Try: qx vm explain {name}."
