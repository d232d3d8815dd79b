"""What is said of the balance in the SchedulingPolicy `default`: the balancer finds it, the controller of
policies tells it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quantix_api.facts import Fact
from quantix_operator.told import Told, said_before

Moves = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Said:
    """`balanced`: the condition, None while nobody balances; `moves`: as status has them."""

    balanced: Fact | None = None
    moves: Moves = ()


def said_over(told: Told[Said], status: Mapping[str, Any]) -> Said:
    """What is to be said in a policy that has this status."""
    if told.found is not None:
        return told.found
    return Said(said_before(status, "Balanced"), tuple(status.get("moves") or ()))
