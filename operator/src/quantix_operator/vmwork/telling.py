"""What the operator says of a snapshot, restore or migration, and how it lets one go. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from quantix_api.facts import Fact, render_conditions, subject_in
from quantix_api.resources import Resource
from quantix_client.api import Manifest


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
    facts = [told.ready]
    if told.ready.status != "True":
        facts.append(told.ready.repeated_as("Stalled" if told.ended else "Reconciling", "True"))
    return {
        "phase": told.phase,
        "observedGeneration": int(live["metadata"].get("generation") or 0),
        "conditions": render_conditions(facts, subject_in(resource, live), now),
    }
