"""What the API says of a migration to its source, and what that says in it. Pure; used by `departures`."""

from __future__ import annotations

from typing import Any

from quantix_api import VirtualMachineMigration
from quantix_api.scalars import MESSAGE_LENGTH
from quantix_client.reading import model_of
from quantix_hostd.facts.migration import SendingProgress
from quantix_hostd.migration.leaving import Leaving, LeavingRecord
from quantix_hostd.migration.said import is_over

Manifest = dict[str, Any]
Hindrance = tuple[str, str]
"""(reason, message) of what it waits for."""


def wish(manifest: Manifest, *, certified: bool, now_s: float) -> Leaving:
    """What the API says of it."""
    migration = model_of(VirtualMachineMigration, manifest)
    status, target = migration.status, migration.status.target
    refused = target is not None and target.outcome == "Refused"
    is_targets = target is not None and target.outcome in ("Running", "Lost")
    return Leaving(
        migration=migration.metadata.uid,
        target=status.target_host or "",
        cancelled=migration.spec.cancel or migration.deleting or is_over(manifest),
        prepared=target is not None and bool(target.prepared),
        hindrance=(target.message or "") if target is not None and target.outcome is None else "",
        certified=certified,
        waits_s=max(now_s - status.started_at.timestamp(), 0.0) if status.started_at is not None else 0.0,
        refusal=(target.message or "") if target is not None and refused else None,
        target_epoch=(target.epoch or 0) if target is not None and is_targets else 0,
        post_copy=migration.spec.post_copy,
        may_switch=target is not None and bool(target.post_copy),
    )


def words_of(
    record: LeavingRecord, leaving: Leaving | None, hindrance: Hindrance | None = None
) -> dict[str, Any]:
    """The status fields of a migration that it tells."""
    progress = leaving.progress if leaving is not None else None
    # where it was never begun, nothing is said of how
    source: dict[str, Any] = {"mode": "PostCopy" if record.switched else "PreCopy"} if record.since_s else {}
    if record.post_copy and record.since_s:
        source["postCopy"] = record.post_copy
    status: dict[str, Any] = {"source": source}
    if record.step == "handed":
        source |= {"outcome": "HandedOver", "epoch": record.epoch}
        if record.downtime_ms:
            source["downtimeMilliseconds"] = record.downtime_ms
        status["progress"] = _shown(progress) if progress is not None else {"percent": 100}
    elif record.step == "stays":
        source |= {"outcome": "GaveUp"} | hindrance_of((record.reason, record.message))
    elif hindrance is not None:
        source |= hindrance_of(hindrance)
    elif progress is not None:
        source["dirtyBytesPerSecond"] = progress.dirty_bytes_per_second
        status["progress"] = _shown(progress)
    return status


def hindrance_of(hindrance: Hindrance) -> dict[str, str]:
    """Why nothing comes further."""
    reason, message = hindrance
    return {"reason": reason, "message": message[:MESSAGE_LENGTH]}


def _shown(progress: SendingProgress) -> dict[str, Any]:
    return {
        "percent": progress.percent,
        "doneBytes": progress.done_bytes,
        "totalBytes": progress.total_bytes,
        # a quantity is above zero
        **({"bytesPerSecond": f"{speed}Ki"} if (speed := progress.bytes_per_second // 1024) else {}),
        **({} if progress.seconds_left is None else {"secondsLeft": progress.seconds_left}),
    }
