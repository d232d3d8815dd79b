"""Which of the moves that would be better are asked for now. Pure; called by the controller."""

from __future__ import annotations

from collections import Counter

from quantix_operator.balance.model import Better, Plan
from quantix_operator.balance.observe import Situation


def plan_due(situation: Situation, plan: Plan) -> tuple[Better, ...]:
    """As many as may be made within this hour, and can go on beside what does, the gravest first."""
    history, limits = situation.history, situation.limits
    busy = Counter(history.busy)
    left = min(situation.moves_left, limits.per_cluster - history.going_on)
    due: list[Better] = []
    for better in plan.moves:
        if len(due) >= left:
            break
        if max(busy[better.source], busy[better.target]) < limits.per_host:
            due.append(better)
            busy.update((better.source, better.target))
    return tuple(due)
