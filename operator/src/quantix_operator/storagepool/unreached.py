"""What is said of work that waits for a pool which no host reaches. Pure; used by the plans of volumes,
snapshots and restores.
"""

from __future__ import annotations

from quantix_api.facts import Fact, fact
from quantix_api.message_table_phrases import REACHED_BY_NONE

THE_CLUSTER = "The cluster"
"""Stands where messages name the host that lacks something, if all do."""


def reached_by_none(pool: str) -> Fact:
    """PoolUnreachable, of all hosts."""
    return fact("Ready", "False", "PoolUnreachable", host=THE_CLUSTER, pool=pool, said=REACHED_BY_NONE)
