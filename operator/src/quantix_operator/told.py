"""What one controller finds and another one tells, since a kind has one writer.

Made by `controllers` for the two: the one sets it at each look, the other reads it. A new leader has found
nothing yet, and lets what was said before stand: else it would write what its first look takes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from quantix_api.conditions import condition_in
from quantix_api.facts import Fact

Found = TypeVar("Found")


class Told(Generic[Found]):
    """`found`: by the last look; None: none was made yet."""

    def __init__(self) -> None:
        self.found: Found | None = None


def said_before(status: Mapping[str, Any], condition_type: str) -> Fact | None:
    """The condition of this type that a status has, None for none."""
    said = condition_in(status, condition_type)
    return Fact(condition_type, said["status"], said["reason"], said.get("message", "")) if said else None
