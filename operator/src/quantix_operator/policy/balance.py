"""What is said of the balance in the SchedulingPolicy `default`: the balancer finds it, the controller of
policies tells it, since a kind has one writer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quantix_api.conditions import condition_in
from quantix_api.facts import Fact

Moves = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Said:
    """`balanced`: the condition, None while nobody balances; `moves`: as status has them."""

    balanced: Fact | None = None
    moves: Moves = ()


class Told:
    """What the last look found; None: none was made yet, and what was said before stands."""

    def __init__(self) -> None:
        self.said: Said | None = None

    def over(self, status: Mapping[str, Any]) -> Said:
        """What is to be said in a policy that has this status."""
        if self.said is not None:
            return self.said
        before, moves = condition_in(status, "Balanced"), tuple(status.get("moves") or ())
        if not before:
            return Said(None, moves)
        words = Fact("Balanced", before["status"], before["reason"], before.get("message", ""))
        return Said(words, moves)
