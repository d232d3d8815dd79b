"""What a pool may still promise."""

from __future__ import annotations

import pytest

from quantix_api import StoragePool
from quantix_operator.storagepool.promises import full_fields, lacking_room

GIB = 1 << 30

CASES: dict[str, tuple[int | None, int, int, int, bool]] = {
    "room": (100, 100, 50, 50, False),
    "one too many": (100, 100, 50, 51, True),
    "more than there is, as allowed": (100, 200, 100, 100, False),
    "beyond what is allowed": (100, 200, 100, 101, True),
    "a capacity that is not known": (None, 100, 0, 1000, False),
    "nothing wanted of a pool that is over": (100, 100, 500, 0, False),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_room(case: str) -> None:
    capacity, percent, promised, wanted, lacking = CASES[case]
    assert lacking_room(capacity, percent, promised, wanted) is lacking


def test_a_refusal_tells_what_is_left_of_the_promise() -> None:
    pool = StoragePool.parse(
        {
            "metadata": {"name": "local"},
            "spec": {"dir": {"path": "/pool"}, "overcommitPercent": 150},
            "status": {"capacity": "100Gi"},
        }
    )
    assert full_fields(pool, 140 * GIB, 10 * GIB) is None
    assert full_fields(pool, 140 * GIB, 20 * GIB) == {
        "pool": "local",
        "available": "10 GiB",
        "wanted": "20 GiB",
    }
