"""Posts this host's events.

Used by the controllers of VMs, images and volumes, after a status was written, and by the doors to a guest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from quantix_api.resources import Resource
from quantix_client.events import EventType, Reporter
from quantix_hostd.told import Told

Manifest = dict[str, Any]


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
        actor: str = "",
    ) -> None: ...


def tell(events: Events, resource: Resource, manifest: Mapping[str, Any], told: Told) -> None:
    """Post it as this host's."""
    about = {**manifest, "apiVersion": resource.api_version, "kind": resource.kind}
    events.record(about, told.reason, told.text, type=told.type, reporter="hostd", actor=told.actor)
