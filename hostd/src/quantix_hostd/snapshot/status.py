"""What hostd says about a snapshot: pure, from what the controller found.

Called by the controller of snapshots. One apply carries all fields of manager `quantix-hostd`; which host, VM
and volumes it is about is the scheduler's word, and left out here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from quantix_api import VirtualMachineSnapshot
from quantix_api.conditions import ready_reason
from quantix_api.errors import InvariantError, QuantixError
from quantix_api.facts import Fact, fact, render_conditions, subject_of, with_kstatus
from quantix_api.message_table_phrases import AGENT_REFUSED
from quantix_api.messages import message_of
from quantix_api.quantities import format_size
from quantix_api.virtual_machine_snapshot import OVER
from quantix_hostd.facts.copies import CopyProgress
from quantix_hostd.facts.moment import FREEZE_S
from quantix_hostd.snapshot.kept import Kept

_KIND = "VirtualMachineSnapshot"
# the last one is libvirt's, too, of whatever it could not do
_TOOL_FAILED = frozenset({"CommandFailed", "CommandTimedOut", "InternalError"})
# what was said once it was taken, and stands
_STANDING = ("takenAt", "config", "memoryHandle")


@dataclass(frozen=True)
class SnapshotVerdict:
    """How a snapshot is on this host. `failed`: for good. `data`: something of it is about to be stored;
    `gone`: nothing of it is.
    """

    reason: str
    message: str
    kept: Kept | None = None
    progress: CopyProgress | None = None
    failed: bool = False
    data: bool = False
    gone: bool = False


def words_of(error: QuantixError) -> tuple[str, str]:
    """Reason and message of what kept a snapshot from being taken. A bug is told as one."""
    if error.reason in _TOOL_FAILED and not isinstance(error, InvariantError):
        said = fact("Ready", "False", "SnapshotFailed", said=error.message.rstrip("."))
        return said.reason, said.message
    return ready_reason(_KIND, error.reason), message_of(error)


def derive_status(
    snapshot: VirtualMachineSnapshot, verdict: SnapshotVerdict, now: datetime
) -> dict[str, Any]:
    """The status of the snapshot, as the API takes it."""
    status: dict[str, Any] = {
        "observedGeneration": snapshot.metadata.generation,
        "phase": _phase(snapshot, verdict),
        "data": _data(snapshot, verdict),
        **_standing(snapshot),
    }
    kept = verdict.kept
    if verdict.reason == "Taken" and kept is not None:
        status |= _taken(kept)
    if verdict.progress is not None:
        status["progress"] = render_progress(verdict.progress)
    ready = Fact("Ready", "True" if verdict.reason == "Taken" else "False", verdict.reason, verdict.message)
    over = [ready, ready.repeated_as("Stalled", "True")]
    facts = [*(over if verdict.failed else with_kstatus(ready)), *_quiesced(snapshot, kept)]
    status["conditions"] = render_conditions(facts, subject_of(snapshot), now)
    return status


def _phase(snapshot: VirtualMachineSnapshot, verdict: SnapshotVerdict) -> str:
    before = snapshot.status.phase
    if before in OVER:
        return before
    if verdict.failed:
        return "Failed"
    if verdict.reason == "Taken":
        return "Ready"
    return "Taking" if verdict.reason == "Taking" else "Pending"


def _data(snapshot: VirtualMachineSnapshot, verdict: SnapshotVerdict) -> str:
    if verdict.gone or verdict.failed:
        return "Absent"
    there = verdict.data or verdict.kept is not None or snapshot.status.data == "Present"
    return "Present" if there else "Absent"


def _standing(snapshot: VirtualMachineSnapshot) -> dict[str, Any]:
    """A field that its only owner leaves out would be removed."""
    said = snapshot.status.model_dump(mode="json", by_alias=True, exclude_none=True)
    found = {name: said[name] for name in _STANDING if name in said}
    disks = [
        {name: disk[name] for name in ("name", "handle", "size") if name in disk}
        for disk in said.get("disks", ())
        if "handle" in disk
    ]
    return found | ({"disks": disks} if disks else {})


def _taken(kept: Kept) -> dict[str, Any]:
    disks = [
        {
            "name": disk.name,
            "handle": disk.volume_uid if disk.in_ceph else f"{kept.uid}/{disk.name}",
            "size": format_size(disk.size_bytes),
        }
        for disk in kept.disks
    ]
    memory = {"memoryHandle": f"{kept.uid}/memory"} if kept.memory else {}
    return {"takenAt": kept.taken_at, "config": kept.config, "disks": disks, **memory}


def render_progress(progress: CopyProgress) -> dict[str, int]:
    """As the API has it."""
    found = {
        "doneBytes": progress.done_bytes,
        "totalBytes": progress.total_bytes,
        "percent": progress.percent,
    }
    return {name: value for name, value in found.items() if value is not None}


def _quiesced(snapshot: VirtualMachineSnapshot, kept: Kept | None) -> Iterator[Fact]:
    """Whether the guest's file systems were held still at the moment, once that is known."""
    reason = kept.quiesced if kept is not None else ""
    if not reason:
        before = snapshot.status.condition("Quiesced")
        if before is not None:
            yield replace(Fact("Quiesced", before.status, before.reason), message=before.message or "")
        return
    name = snapshot.spec.virtual_machine
    fields: dict[str, dict[str, object]] = {
        "NoAgent": {"name": name},
        "FreezeFailed": {"said": AGENT_REFUSED},
        "FreezeTimedOut": {"seconds": FREEZE_S},
        "NotAsked": {} if kept is None or kept.live else {"name": name},
    }
    yield fact("Quiesced", "True" if reason == "Frozen" else "False", reason, **fields.get(reason, {}))
