"""In which order VMs leave, and migrations are looked at: whose turn comes first. Pure.

Called by `observe`, and by whoever asks VMs to leave a host or plays that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from quantix_api.resources import LABEL_MAINTENANCE_OF
from quantix_api.seniority import age_order
from quantix_operator.migration.model import Move
from quantix_operator.scheduling.model import Guest

LeavingOrder = tuple[int, int, str, str]


def leaving_order(guest: Guest) -> LeavingOrder:
    """Sorts guests that leave a host: the more important one first, then the larger one. What is hardest to
    find room for is moved while there is most of it, and what is left over in the end is the least important.
    """
    return -guest.priority, -guest.all_memory_bytes, guest.namespace, guest.name


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


def _by_age(move: Move) -> tuple[str, LeavingOrder, str]:
    """The elder first; of one second, which is all that the API tells, as guests leave a host."""
    migration = move.migration
    order: LeavingOrder = (0, 0, _namespace(move), migration.spec.virtual_machine)
    if move.prospect is not None:
        order = leaving_order(move.prospect.guest)
    return age_order(migration)[0], order, migration.key
