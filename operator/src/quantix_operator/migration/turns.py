"""In which order migrations are looked at: whose turn comes first. Pure; called by `observe`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from quantix_api.resources import LABEL_MAINTENANCE_OF
from quantix_api.seniority import age_order
from quantix_operator.migration.model import Move


def in_turn(moves: Iterable[Move]) -> tuple[Move, ...]:
    """First those that have begun or are over, which take no turn; then those that empty a host; then of each
    namespace one after the other, counting what goes on: who asks for many keeps nobody else waiting for all
    of them.
    """
    found = sorted(moves, key=_by_age)
    taken = Counter(_namespace(move) for move in found if move.goes_on)
    turns: dict[str, tuple[int, int]] = {}
    for move in found:
        uid = move.migration.metadata.uid
        if move.migration.status.started_at is not None or move.is_over:
            turns[uid] = (0, 0)
        elif LABEL_MAINTENANCE_OF in move.migration.metadata.labels:
            turns[uid] = (1, 0)
        else:
            turns[uid] = (2, taken[_namespace(move)])
            taken[_namespace(move)] += 1
    # those of one turn stay in their order
    return tuple(sorted(found, key=lambda move: turns[move.migration.metadata.uid]))


def _namespace(move: Move) -> str:
    return move.migration.metadata.namespace or ""


def _by_age(move: Move) -> tuple[str, int, int, str]:
    """The elder first. Of one second, which is all that the API tells: the more important VM, then the larger
    one, for which it is harder to find room.
    """
    guest = move.prospect.guest if move.prospect is not None else None
    priority, memory_bytes = (guest.priority, guest.memory_bytes) if guest is not None else (0, 0)
    return age_order(move.migration)[0], -priority, -memory_bytes, move.migration.key
