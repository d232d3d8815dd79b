"""What of a new status is worth an event: transitions only, told once (api.md, section 5). Pure.

Called by the controllers of images and volumes, with what the API said before, and by the doors to a guest;
`virtualmachine.transitions` does the same for the status of VMs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from quantix_api.conditions import condition_in
from quantix_api.messages import render

Manifest = dict[str, Any]

_REFUSED = frozenset({"ImageRefused", "ChecksumMismatch", "AddressRefused"})


@dataclass(frozen=True)
class Told:
    """One event about an object, without who tells it and when. `actor`: the user that the text names."""

    reason: str
    text: str
    type: Literal["Normal", "Warning"] = "Normal"
    actor: str = ""


def image_event(before: Manifest, status: Manifest) -> Told | None:
    """That an image came to be ready, or to be refused, between what the API said and `status`."""
    reason, message = _ready(status)
    if reason == _ready(before.get("status") or {})[0]:
        return None
    if reason == "Verified":
        return Told("ImageReady", message)
    return Told("ImageRefused", message, "Warning") if reason in _REFUSED else None


def volume_event(before: Manifest, status: Manifest) -> Told | None:
    """That a volume came to lie in another pool, or to have another size."""
    had, has = (before.get("status") or {}).get("pool"), status.get("pool")
    if had and has and had != has and (before.get("status") or {}).get("data") == "Present":
        return Told("Moved", render("Moved", before=had, pool=has).text)
    was, now = (before.get("status") or {}).get("capacity"), status.get("capacity")
    if not was or not now or was == now:
        return None
    return Told("VolumeResized", render("VolumeResized", before=was, size=now).text)


def console_event(user: str, door: str, host: str) -> Told:
    """That `user` opened a `door` to a guest, "serial console" or "screen": who sits there has its power."""
    text = render("ConsoleOpened", user=user, door=door, host=host).text
    return Told("ConsoleOpened", text, actor=user)


def _ready(status: Manifest) -> tuple[str, str]:
    """Reason and message of Ready; empty where nobody said it."""
    ready = condition_in(status)
    return ready.get("reason", ""), ready.get("message", "")
