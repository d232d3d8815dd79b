"""Against an empty cache that would empty the network: a pure judgement on removing what nobody owns.

Called by `network.sweep`. Rows of objects that are there, or that are on their way out, are not its business.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

SMALLEST_SUSPICION = 20
SUSPICIOUS_PERCENT = 10


@dataclass(frozen=True)
class Verdict:
    """The owners whose rows may go. `suspicious`: there are so many that somebody has to say so first."""

    orphans: tuple[str, ...]
    rows: int
    all_rows: int
    suspicious: bool


def judge_orphans(
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
    orphans = tuple(sorted(owner for owner in rows_by_owner if owner not in known))
    unexplained = sum(rows_by_owner[owner] for owner in orphans if owner not in seen_deleting)
    total = sum(rows_by_owner.values())
    many = unexplained >= SMALLEST_SUSPICION and unexplained * 100 > total * SUSPICIOUS_PERCENT
    allowed = allowed_until is not None and now < allowed_until
    return Verdict(orphans, unexplained, total, many and not allowed)
