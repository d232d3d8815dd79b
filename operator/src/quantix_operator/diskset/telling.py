"""What the operator says of a snapshot or restore while its host does not, and how it lets one go. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from quantix_api.facts import Fact, render_conditions, subject_in
from quantix_api.resources import Resource
from quantix_client.api import Manifest
from quantix_operator.diskset.model import VmDisk


@dataclass(frozen=True)
class Tell:
    """Phase and condition. `ended`: it is over, and that stays."""

    phase: str
    ready: Fact
    ended: bool = False


def waits(why: Fact) -> Tell:
    """It was not begun, and is as soon as it can be."""
    return Tell("Pending", why)


def fails(why: Fact) -> Tell:
    """It never can be done."""
    return Tell("Failed", why, ended=True)


@dataclass(frozen=True)
class Release:
    """Take the finalizer off."""


def told_status(resource: Resource, live: Manifest, told: Tell, now: datetime) -> dict[str, Any]:
    """Of manager `quantix-operator`."""
    other = told.ready.repeated_as("Stalled" if told.ended else "Reconciling", "True")
    return {
        "phase": told.phase,
        "observedGeneration": int(live["metadata"].get("generation") or 0),
        "conditions": render_conditions([told.ready, other], subject_in(resource, live), now),
    }


def chosen_disk(disk: VmDisk) -> dict[str, Any]:
    """A disk that a host is to keep or to set back."""
    assert disk.volume is not None
    metadata = disk.volume.metadata
    return {"name": disk.name, "volume": metadata.name, "volumeUID": metadata.uid, "pool": disk.pool}
