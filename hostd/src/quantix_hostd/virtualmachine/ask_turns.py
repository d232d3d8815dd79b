"""Which guests' agents are asked now, and how long a guest that was slow lets others go first. Pure.

Used by `guest_watch`. A guest decides how long its agent takes, so time is what is shared out: guests whose
answers took long of late have half of the turns at most, among them whoever took the least first, and are
asked the later the longer they took. A guest that is quick again counts as such after some answers, so that
nobody gains by being slow only every third time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

AT_ONCE = 4
_SLOW_AT_ONCE = 2
SLOW_S = 1.0
_NEWEST = 0.2
_REST = 3.0


@dataclass(frozen=True)
class Waiting:
    """A guest whose agent is due since `due_s`. `pace_s`: as `pace_after` has it."""

    uid: str
    due_s: float
    pace_s: float


def pace_after(pace_s: float, took_s: float) -> float:
    """How long a guest's agent takes of late, a moving average, after a question that `took_s`."""
    return pace_s + _NEWEST * (took_s - pace_s)


def rest_s(took_s: float) -> float:
    """How long a guest is left alone at least after a question that `took_s`."""
    return _REST * took_s


def next_asked(waiting: Sequence[Waiting], asked_paces_s: Sequence[float]) -> tuple[str, ...]:
    """UIDs of those whose turn it is; `asked_paces_s` are the paces of those that are being asked."""
    turns = AT_ONCE - len(asked_paces_s)
    of_slow = _SLOW_AT_ONCE - sum(pace_s >= SLOW_S for pace_s in asked_paces_s)
    quick = sorted((one for one in waiting if one.pace_s < SLOW_S), key=lambda one: one.due_s)
    slow = sorted((one for one in waiting if one.pace_s >= SLOW_S), key=lambda one: (one.pace_s, one.due_s))
    chosen = quick[: max(turns, 0)]
    chosen += slow[: max(min(of_slow, turns - len(chosen)), 0)]
    return tuple(one.uid for one in chosen)
