"""Conditions as controllers say them, and as they stand in an object.

Used by every controller's status step. A transition time changes only with the status itself, so that saying
the same again is no write.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from quantix_api.messages import render
from quantix_client.api import Manifest

Truth = Literal["True", "False", "Unknown"]


@dataclass(frozen=True)
class Fact:
    """One condition, without the times."""

    type: str
    status: Truth
    reason: str
    message: str = ""

    def repeated_as(self, condition_type: str, status: Truth | None = None) -> Fact:
        """The same reason and words under another type."""
        return Fact(condition_type, status or self.status, self.reason, self.message)


def fact(condition_type: str, status: Truth, reason: str, /, **fields: object) -> Fact:
    """A condition whose words come from the table of messages."""
    return Fact(condition_type, status, reason, render(reason, **fields).text)


def render_conditions(facts: Iterable[Fact], live: Manifest, now: datetime) -> list[dict[str, Any]]:
    """The conditions as a server-side apply sends them, about the generation of `live`."""
    before = {item["type"]: item for item in (live.get("status") or {}).get("conditions") or []}
    generation = int(live["metadata"].get("generation") or 0)
    moment = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = []
    for item in sorted(facts, key=lambda item: item.type):
        was = before.get(item.type, {})
        since = was.get("lastTransitionTime") if was.get("status") == item.status else None
        condition: dict[str, Any] = {
            "type": item.type,
            "status": item.status,
            "reason": item.reason,
            "message": item.message,
            "observedGeneration": generation,
            "lastTransitionTime": since or moment,
        }
        conditions.append(condition)
    return conditions
