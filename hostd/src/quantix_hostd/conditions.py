"""Conditions as hostd writes them: the time of the last change is kept while the status stays the same.

Used by the status functions of every kind. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from quantix_api import Condition

_MAX_MESSAGE = 1024


@dataclass(frozen=True)
class Finding:
    """What is to be said: `status` is True, False or Unknown."""

    type: str
    status: str
    reason: str
    message: str = ""


def render_conditions(
    findings: Sequence[Finding], previous: Sequence[Condition], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """The findings as the API takes them, in their order."""
    before = {condition.type: condition for condition in previous}
    return [_render(finding, before.get(finding.type), generation, now) for finding in findings]


def _render(finding: Finding, before: Condition | None, generation: int, now: datetime) -> dict[str, Any]:
    since = before.last_transition_time if before and before.status == finding.status else None
    return {
        "type": finding.type,
        "status": finding.status,
        "reason": finding.reason,
        "message": finding.message[:_MAX_MESSAGE],
        "observedGeneration": generation,
        "lastTransitionTime": (since or now).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
