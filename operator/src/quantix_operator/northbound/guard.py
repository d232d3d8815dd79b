"""Against an empty cache that would empty the network: a pure judgement on removing what nobody owns.

Called by `cluster.sweep`. Rows of objects that are there, or that are on their way out, are not its business.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

SMALLEST_SUSPICION = 20
SUSPICIOUS_PERCENT = 10


@dataclass(frozen=True)
class Verdict:
    """Owners that are gone. `suspicious`: so many that somebody has to say first that their rows may go."""

    gone: tuple[str, ...]
    rows: int
    all_rows: int
    suspicious: bool


def judge_removal(
    rows_by_owner: Mapping[str, int],
    known: Collection[str],
    seen_deleting: Collection[str],
    allowed_until: datetime | None,
    now: datetime,
) -> Verdict:
    """Which owners are gone, and whether their rows may be removed.

    Suspicious: more than a tenth of all our rows, and at least 20, belong to objects that are unknown though
    nobody was seen deleting them, and no administrator allowed it (`allowed_until` lies ahead).
    """
    gone = tuple(sorted(owner for owner in rows_by_owner if owner not in known))
    unexplained = sum(rows_by_owner[owner] for owner in gone if owner not in seen_deleting)
    total = sum(rows_by_owner.values())
    many = unexplained >= SMALLEST_SUSPICION and unexplained * 100 > total * SUSPICIOUS_PERCENT
    allowed = allowed_until is not None and now < allowed_until
    return Verdict(gone, unexplained, total, many and not allowed)
