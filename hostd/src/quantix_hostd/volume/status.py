"""What hostd says about a Volume: pure, from what the controller found.

Called by the volume controller. One apply carries all fields of manager `quantix-hostd`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from quantix_api import Volume
from quantix_api.conditions import ready_reason
from quantix_api.errors import QuantixError
from quantix_api.facts import Fact, render_conditions, subject_of, with_kstatus
from quantix_api.messages import message_of, render
from quantix_api.quantities import format_size, size_bytes
from quantix_hostd.facts.copies import CopyProgress
from quantix_hostd.volume.upload_plan import is_sent
from quantix_hostd.volume.wanted import (
    belongs_to_vm,
    granted_bytes,
    move_refusal,
    size_answer,
    wanted_bytes,
)

_FAILED = frozenset({"DataMissing", "DataDamaged", "ImageRefused", "ChecksumMismatch", "AddressRefused"})
_COMING = frozenset({"Creating", "Copying", "ImageDownloading", "Verifying"})
_TOOL_FAILED = frozenset({"CommandFailed", "CommandTimedOut"})
# something may be stored already, or soon: the object must not go without this host's word
_BEGUN = frozenset({"Creating", "Copying"})
# the data is there and serves, only not as large, or where, spec wants it; that libvirt is away, or an
# InternalError, says nothing of the data
_SERVES = frozenset(
    {
        "Resizing",
        "InUse",
        "PoolFull",
        "SecretNotFound",
        "SecretNotGranted",
        "PassphraseWrong",
        "LibvirtDown",
        "InternalError",
    }
)


@dataclass(frozen=True)
class VolumeVerdict:
    """How a volume is on this host. `capacity_bytes` is 0 while nothing is there, `progress` how far its
    copying has come. `serves`: its data is there, and only something else that spec wants is not.
    """

    reason: str
    message: str
    handle: str = ""
    pool: str = ""
    capacity_bytes: int = 0
    progress: CopyProgress | None = None
    serves: bool = False

    @property
    def available(self) -> bool:
        return self.reason == "Available"


def verdict_of_error(
    volume: Volume, error: QuantixError, progress: CopyProgress | None = None
) -> VolumeVerdict:
    """For a volume that could not be made or kept. What was reported of the data before stays true: an error
    tells nothing about it.
    """
    before = volume.status
    capacity = size_bytes(before.capacity) if before.capacity and before.data == "Present" else 0
    reason = ready_reason("Volume", error.reason)
    if error.reason in _TOOL_FAILED:
        # that says nothing about the volume: what is there is tried to be grown again, else to be made
        reason = "Resizing" if capacity else "Creating"
    return VolumeVerdict(
        reason, message_of(error), before.handle or "", before.pool or "", capacity, progress
    )


def present(volume: Volume, verdict: VolumeVerdict) -> VolumeVerdict:
    """The verdict on data that is there: one that waits for a pool's promise of room says so."""
    refusal = move_refusal(volume, verdict.pool) if verdict.available else None
    if refusal is not None:
        return replace(verdict, reason=refusal.reason, message=refusal.message or "", serves=True)
    granted = granted_bytes(volume, verdict.capacity_bytes)
    if not verdict.available or granted >= wanted_bytes(volume):
        return verdict
    answer = size_answer(volume)
    if answer is not None:
        return replace(verdict, reason=answer.reason, message=answer.message or "")
    return replace(verdict, reason="Resizing", message=render("Resizing", size=volume.spec.size).text)


def derive_status(volume: Volume, verdict: VolumeVerdict, host: str, now: datetime) -> dict[str, Any]:
    """The status of the Volume, as the API takes it."""
    status: dict[str, Any] = {
        "observedGeneration": volume.metadata.generation,
        "host": host,
        "phase": _phase(volume, verdict),
    }
    if verdict.capacity_bytes:
        status["data"] = "Present"
    elif verdict.reason not in _BEGUN and not (is_sent(volume) and verdict.reason != "Deleting"):
        # at any moment somebody may begin to send: only once it is to go, nothing is there for certain
        status["data"] = "Absent"
    if verdict.progress is not None:
        status["progress"] = _progress(verdict.progress)
    if verdict.handle:
        status["handle"] = verdict.handle
    if verdict.pool:
        status["pool"] = verdict.pool
    if verdict.capacity_bytes:
        status["capacity"] = format_size(verdict.capacity_bytes)
    status["conditions"] = render_conditions(with_kstatus(_ready(verdict)), subject_of(volume), now)
    return status


def _progress(progress: CopyProgress) -> dict[str, int]:
    found = {
        "doneBytes": progress.done_bytes,
        "totalBytes": progress.total_bytes,
        "percent": progress.percent,
    }
    return {name: value for name, value in found.items() if value is not None}


def _phase(volume: Volume, verdict: VolumeVerdict) -> str:
    if verdict.reason == "Moving":
        return "Moving"
    if verdict.available or verdict.serves or (verdict.capacity_bytes and verdict.reason in _SERVES):
        return "InUse" if belongs_to_vm(volume) else "Available"
    if verdict.reason in _FAILED:
        return "Failed"
    return "Creating" if verdict.reason in _COMING else "Pending"


def _ready(verdict: VolumeVerdict) -> Fact:
    return Fact("Ready", "True" if verdict.available else "False", verdict.reason, verdict.message)
