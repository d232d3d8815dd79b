"""What is worth an event, and who posts it: transitions only, told once (api.md, section 5).

Used by the controllers of VMs, images and volumes after a status was written. But for the recorder pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from quantix_api.messages import render
from quantix_api.resources import Resource
from quantix_client.events import EventType, Reporter

Manifest = dict[str, Any]

_REFUSED = frozenset({"ImageRefused", "ChecksumMismatch", "AddressRefused"})


class Events(Protocol):
    """Posts events in the background (`quantix_client.events.EventRecorder`)."""

    def record(
        self,
        regarding: Manifest,
        reason: str,
        text: str,
        *,
        type: EventType = "Normal",
        reporter: Reporter = "operator",
    ) -> None: ...


@dataclass(frozen=True)
class Told:
    """One event about an object, without who and when."""

    reason: str
    text: str
    type: Literal["Normal", "Warning"] = "Normal"


def tell(events: Events, resource: Resource, manifest: Manifest, told: Told) -> None:
    """Post it as this host's."""
    about = {**manifest, "apiVersion": resource.api_version, "kind": resource.kind}
    events.record(about, told.reason, told.text, type=told.type, reporter="hostd")


def image_event(before: Manifest, status: Manifest) -> Told | None:
    """That an image came to be ready, or to be refused, between what the API said and `status`."""
    reason, message = _ready(status)
    if reason == _ready(before.get("status") or {})[0]:
        return None
    if reason == "Verified":
        return Told("ImageReady", message)
    return Told("ImageRefused", message, "Warning") if reason in _REFUSED else None


def volume_event(before: Manifest, status: Manifest) -> Told | None:
    """That a volume came to have another size."""
    was, now = (before.get("status") or {}).get("capacity"), status.get("capacity")
    if not was or not now or was == now:
        return None
    return Told("VolumeResized", render("VolumeResized", before=was, size=now).text)


def _ready(status: Manifest) -> tuple[str, str]:
    """Reason and message of Ready; empty where nobody said it."""
    found = (item for item in status.get("conditions") or () if item["type"] == "Ready")
    ready: Manifest = next(found, {})
    return ready.get("reason", ""), ready.get("message", "")
