"""Conditions on their way into an object: what a controller says, and how the API takes it.

Used by the status step of every controller, in every component. What is said is held against the table of
conditions. The time of a transition changes only with the status itself, so that saying the same again is no
write. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol

from quantix_api.conditions import STALLED_REASONS, checked
from quantix_api.messages import render
from quantix_api.model import Definition, ObjectMeta, Status
from quantix_api.resources import Resource
from quantix_api.scalars import MESSAGE_LENGTH
from quantix_api.times import render_time

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


def with_kstatus(ready: Fact) -> list[Fact]:
    """Ready, and while it is not True what kstatus reads besides: Stalled where nothing changes without a
    user, else Reconciling.
    """
    if ready.status == "True":
        return [ready]
    other = "Stalled" if ready.reason in STALLED_REASONS else "Reconciling"
    return [ready, ready.repeated_as(other, "True")]


class Reported(Protocol):
    """An object of a kind that has conditions."""

    DEFINITION: ClassVar[Definition]

    @property
    def metadata(self) -> ObjectMeta: ...
    @property
    def status(self) -> Status: ...


@dataclass(frozen=True)
class Subject:
    """The object that conditions are about, in the generation that was looked at.

    `since`: when each condition that it shows came to its status, by (type, status), as the API writes it.
    """

    kind: str
    generation: int
    since: Mapping[tuple[str, str], str] = field(default_factory=dict)


def subject_of(model: Reported) -> Subject:
    """A model as the subject of conditions."""
    since: dict[tuple[str, str], str] = {
        (item.type, item.status): render_time(item.last_transition_time)
        for item in model.status.conditions
        if item.last_transition_time is not None
    }
    return Subject(model.DEFINITION.resource.kind, model.metadata.generation, since)


def subject_in(resource: Resource, manifest: Mapping[str, Any]) -> Subject:
    """An object as the API gave it, items of a list too, as the subject of conditions."""
    since: dict[tuple[str, str], str] = {
        (item["type"], item.get("status", "")): item["lastTransitionTime"]
        for item in (manifest.get("status") or {}).get("conditions") or []
        if item.get("lastTransitionTime")
    }
    return Subject(resource.kind, int(manifest["metadata"].get("generation") or 0), since)


def render_conditions(facts: Iterable[Fact], subject: Subject, now: datetime) -> list[dict[str, Any]]:
    """The conditions as a server-side apply sends them, ordered by type.

    Raises InvariantError (ConditionUnknown) for one that the kind's table does not know.
    """
    return [
        {
            "type": item.type,
            "status": item.status,
            "reason": item.reason,
            "message": item.message[:MESSAGE_LENGTH],
            "observedGeneration": subject.generation,
            "lastTransitionTime": subject.since.get((item.type, item.status)) or render_time(now),
        }
        for item in checked(subject.kind, facts)
    ]
