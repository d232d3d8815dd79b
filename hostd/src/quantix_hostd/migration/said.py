"""What the manifest of a migration says, and what its target says in it. Pure; used by `incoming` and
`departures`.
"""

from __future__ import annotations

from typing import Any

from quantix_api.errors import QuantixError
from quantix_api.messages import message_of, render
from quantix_api.scalars import MESSAGE_LENGTH
from quantix_api.virtual_machine_migration import OVER

Manifest = dict[str, Any]


def status_of(manifest: Manifest) -> dict[str, Any]:
    status: dict[str, Any] = manifest.get("status") or {}
    return status


def vm_uid_of(manifest: Manifest) -> str | None:
    """Of the VM that it moves."""
    uid: str | None = status_of(manifest).get("virtualMachineUID")
    return uid


def is_over(manifest: Manifest) -> bool:
    return status_of(manifest).get("phase") in OVER


def has_answered(manifest: Manifest) -> bool:
    """Whether the target has said that the guest may come, or how that ended."""
    said = status_of(manifest).get("target") or {}
    return "prepared" in said or "outcome" in said


def is_refused(manifest: Manifest) -> bool:
    """Whether its target said that the guest cannot come."""
    return (status_of(manifest).get("target") or {}).get("outcome") == "Refused"


def newest(manifests: list[Manifest]) -> Manifest | None:
    return max(manifests, key=lambda item: str(item["metadata"]["creationTimestamp"]), default=None)


def gone(manifest: Manifest) -> dict[str, str]:
    """Nothing is here any more; why it was refused stays, what it only waited for does not."""
    before = (status_of(manifest).get("target") or {}) if has_answered(manifest) else {}
    return {"outcome": "Gone"} | {name: before[name] for name in ("reason", "message") if name in before}


def not_ours(name: str, host: str) -> dict[str, str]:
    """The source says that the guest is this host's, and its disks do not."""
    text = render("SourceFailed", name=name, unnamed=host).text
    return {"reason": "SourceFailed", "message": text}


def refusal(error: QuantixError | OSError) -> dict[str, str]:
    """It cannot come, which is final."""
    return {"outcome": "Refused"} | hindrance(error)


def hindrance(error: QuantixError | OSError) -> dict[str, str]:
    """Why it cannot come now."""
    if isinstance(error, QuantixError):
        return {"reason": error.reason, "message": message_of(error)[:MESSAGE_LENGTH]}
    text = render("TargetFailed", said=error.strerror or str(error)).text
    return {"reason": "TargetFailed", "message": text}
