"""The one state word of an object, as `qx` and the dashboard show it.

A pure function of the object and of how long its host has been silent. Takes the API's JSON, not models, so
that the dashboard's twin can be tested with the same table of cases (tests/unit/state_cases.json). For people
only: no program decides by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from quantix_api.conditions import condition_in

# A host renews its Lease every 2 s; beyond this its last word about a VM is no longer the present
STALE_LEASE_S = 8.0


@dataclass(frozen=True)
class StateWord:
    """`colour` is one of green, blue, yellow, red, grey: glyph, word and colour always go together."""

    word: str
    glyph: str
    colour: str


DELETING = StateWord("Deleting", "◐", "blue")
RECOVERING = StateWord("Recovering", "◐", "blue")
UNKNOWN = StateWord("Unknown", "?", "yellow")
MIGRATING = StateWord("Migrating", "◐", "blue")
FAILED = StateWord("Failed", "✕", "red")
PAUSED = StateWord("Paused", "‖", "grey")
PAUSED_UNASKED = StateWord("Paused", "‖", "yellow")
STARTING = StateWord("Starting", "◐", "blue")
STOPPING = StateWord("Stopping", "◐", "blue")
WAITING = StateWord("Waiting", "▲", "yellow")
RUNNING = StateWord("Running", "●", "green")
STOPPED = StateWord("Stopped", "○", "grey")
UNUSED = StateWord("Waiting", "○", "grey")
READY = StateWord("Ready", "●", "green")
WORKING = StateWord("Working", "◐", "blue")
JOINING = StateWord("Joining", "◐", "blue")
SUCCEEDED = StateWord("Succeeded", "●", "green")
CANCELLED = StateWord("Cancelled", "○", "grey")

_HOSTS = {
    "Ready": READY,
    "Maintenance": StateWord("Maintenance", "‖", "grey"),
    "Joining": JOINING,
    "Draining": StateWord("Draining", "◐", "blue"),
    "Clean": StateWord("Clean", "◐", "blue"),
    "Suspect": StateWord("Suspect", "?", "yellow"),
    "Unreachable": StateWord("Unreachable", "?", "yellow"),
    "Isolated": StateWord("Isolated", "▲", "yellow"),
    "StorageLost": StateWord("StorageLost", "▲", "yellow"),
    "Failed": FAILED,
    "Fencing": StateWord("Fencing", "✕", "red"),
    "Fenced": StateWord("Fenced", "✕", "red"),
}
_HOST_SILENT = {"HostSuspect", "HostUnreachable", "HostIsolated"}
_FAILED = {"QEMUCrashed", "GuestPanicked", "WatchdogFired", "OrphanProcess", "StuckInIO", "InternalError"}
# The platform itself is bringing what is missing: nobody has to do anything
_WORKING = {
    "Pending",
    "Assigned",
    "Creating",
    "Copying",
    "Moving",
    "Resizing",
    "ImageDownloading",
    "Verifying",
    "Programming",
    "Preparing",
    "CuttingOver",
    "Starting",
    "Restarting",
    "Restoring",
    "RestoreInProgress",
    "SnapshotNotReady",
    "SnapshotRunning",
    "MigrationRunning",
    "Taking",
    "PortNotBound",
    "WaitingForGuest",
    "GuestNotReady",
    "WaitingForDependency",
    "Joining",
    "RebuildingAssignments",
}
# Volumes, images and migrations are shown with the API's own word where that says more: it stands for the
# general one, which a filter takes as well
PHASES_SHOWN: Mapping[str, StateWord] = {
    "Available": READY,
    "InUse": READY,
    "Creating": WORKING,
    "Moving": WORKING,
    "Downloading": WORKING,
    "Verifying": WORKING,
    "Queued": WAITING,
    "Preparing": WORKING,
    "Copying": WORKING,
    "CuttingOver": WORKING,
}
_PHASES_OF = ("Volume", "Image", "VirtualMachineMigration")
# Ready is what a migration is that went well, and Stalled one that somebody cancelled
_ENDS = {"Succeeded": SUCCEEDED, "Cancelled": CANCELLED}

# Off, though spec may say Running: nothing starts it by itself, or before its disks are set back
_OFF = {"GuestShutdown", "ShuttingDown", "RestoreInProgress"}
# Of a guest that QEMU runs: it is not in use yet. Any other reason is about a change of what runs
_BOOTING = {
    "Pending",
    "Starting",
    "PortNotBound",
    "DuplicateInterface",
    "SouthboundUnreachable",
    "GuestNotReady",
}


def state_word(obj: Mapping[str, Any], lease_age_s: float | None = None) -> StateWord:
    """The word for `obj`; `lease_age_s` is the silence of its host, None when not known or it has none."""
    if obj.get("metadata", {}).get("deletionTimestamp"):
        return DELETING
    if obj.get("kind") == "Host":
        return _host(obj, lease_age_s)
    if obj.get("kind") == "VirtualMachine":
        return _virtual_machine(obj, lease_age_s)
    return _other(obj)


def _virtual_machine(vm: Mapping[str, Any], lease_age_s: float | None) -> StateWord:
    status = vm.get("status") or {}
    ready, reason = _ready(status)
    if reason == "HostFailed":
        return RECOVERING
    if reason in _HOST_SILENT or (
        _has_host(status) and lease_age_s is not None and lease_age_s > STALE_LEASE_S
    ):
        return UNKNOWN
    if status.get("migration"):
        return MIGRATING
    if reason in _OFF:
        return STOPPED
    if reason in _FAILED:
        return FAILED
    if status.get("phase") == "Running" and not ready and reason not in _BOOTING:
        return RUNNING
    if _is_true(status, "Stalled"):
        return FAILED
    if reason == "Paused":
        return PAUSED
    if reason == "StorageIOError" or (reason == "PoolFull" and status.get("phase") == "Paused"):
        return PAUSED_UNASKED
    if reason == "Stopping":
        return STOPPING
    if ready:
        return STOPPED if reason == "Stopped" else RUNNING
    return STARTING if reason in _WORKING else WAITING


def _host(host: Mapping[str, Any], lease_age_s: float | None) -> StateWord:
    status = host.get("status") or {}
    phase = status.get("phase", "Joining")
    if phase == "Ready" and lease_age_s is not None and lease_age_s > STALE_LEASE_S:
        return _HOSTS["Unreachable"]
    if (host.get("spec") or {}).get("maintenance") and phase in ("Ready", "Maintenance"):
        return _HOSTS["Maintenance" if _is_true(status, "Drained") else "Draining"]
    if phase == "Joining" and _ready(status)[1] == "ShuttingDown":
        # the phase knows no other word for a host that is not Ready
        return STOPPING
    return _HOSTS.get(phase, UNKNOWN)


def _other(obj: Mapping[str, Any]) -> StateWord:
    general = _general(obj)
    phase = (obj.get("status") or {}).get("phase", "")
    if obj.get("kind") == "VirtualMachineMigration" and phase in _ENDS:
        return _ENDS[phase]
    if obj.get("kind") in _PHASES_OF and PHASES_SHOWN.get(phase) == general:
        return replace(general, word=phase)
    return general


def _general(obj: Mapping[str, Any]) -> StateWord:
    status = obj.get("status") or {}
    ready, reason = _ready(status)
    if ready:
        return READY
    if _is_true(status, "Stalled") or reason in _FAILED:
        return FAILED
    if reason in _HOST_SILENT and condition_in(status, "Ready").get("status") == "Unknown":
        return UNKNOWN
    if reason == "WaitingForHost":
        # made where it is used first: nobody is to be alarmed
        return UNUSED
    return WORKING if reason in _WORKING else WAITING


def _has_host(status: Mapping[str, Any]) -> bool:
    return bool((status.get("assignment") or {}).get("host"))


def _ready(status: Mapping[str, Any]) -> tuple[bool, str]:
    found = condition_in(status, "Ready")
    return found.get("status") == "True", str(found.get("reason", "Pending"))


def _is_true(status: Mapping[str, Any], kind: str) -> bool:
    return bool(condition_in(status, kind).get("status") == "True")
