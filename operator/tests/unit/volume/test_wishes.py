"""Whether data may go to another pool, and what stands in its way first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quantix_operator.volume.wishes import Move, WantedMove, judge_move

MAY = WantedMove("fast", "data", bringer="h1", keeper="h1")
UNREACHED = {"host": "h1", "said": "it is not mounted"}
WORST = replace(
    MAY,
    unreadable=True,
    homeless="web",
    busy={"leaver": "web"},
    reached=False,
    unreached=UNREACHED,
    no_room={"pool": "fast"},
)

OBSTACLES = [
    ("ConfigRefused", {"unreadable": False}),
    ("WaitingForHost", {"homeless": ""}),
    ("Moving", {"busy": {}}),
    ("PoolUnreachable", {"reached": True}),
    ("PoolFull", {"no_room": None}),
]


def test_what_stands_in_its_way_is_told_one_after_the_other() -> None:
    wanted = WORST
    for reason, gone in OBSTACLES:
        move = judge_move(wanted)
        assert (move and (move.reason, move.host)) == (reason, "h1")
        wanted = replace(wanted, **gone)  # type: ignore[arg-type]
    assert judge_move(wanted) == Move("fast", host="h1")


def test_a_promise_stays_one() -> None:
    assert judge_move(replace(WORST, promised=True)) == Move("fast", host="h1")


def test_a_pool_that_is_not_there_is_named_with_who_wants_it() -> None:
    fields = {"pool": "fast", "path": "spec.pool"}
    gone = WantedMove("fast", "data", "spec.pool", is_there=False)
    assert judge_move(gone) == Move("fast", "PoolNotFound", fields)


@pytest.mark.parametrize("since", ["", "10:00:00 UTC"])
def test_while_another_host_is_at_work_it_goes_nowhere(since: str) -> None:
    move = judge_move(replace(WORST, at_another=True, keeper="h2", silent_since=since))
    silent = {"volume": "data", "pool": "fast", "keeper": "h2", "at": since}
    assert move == (Move("fast", "HostUnreachable", silent) if since else None)


def test_that_its_host_is_silent_is_said_where_nothing_else_is_in_the_way() -> None:
    silent = judge_move(replace(MAY, silent_since="10:00:00 UTC"))
    assert silent is not None
    assert silent.silent == {"volume": "data", "pool": "fast", "keeper": "h1", "at": "10:00:00 UTC"}
    full = judge_move(replace(MAY, silent_since="10:00:00 UTC", no_room={"pool": "fast"}))
    assert full is not None
    assert (full.reason, full.silent) == ("PoolFull", None)


def test_where_nothing_is_wanted_nothing_is_said() -> None:
    assert judge_move(None) is None
