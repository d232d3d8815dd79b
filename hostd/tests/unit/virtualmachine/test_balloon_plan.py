"""Who gives memory while a host runs short, how much in one step, and who gets it back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_hostd.virtualmachine.balloon_plan import MIB, GuestMemory, HostMemory, plan_balloons

GIB = 1024 * MIB
TOTAL = 10 * GIB
LOW, HIGH = TOTAL // 20, TOTAL // 10


def host(available: int, stalled: float = 0.0) -> HostMemory:
    return HostMemory(TOTAL, available, stalled)


def guest(name: str, has: int = 4 * GIB, priority: int = 100, **parts: int | None) -> GuestMemory:
    most, least, free = 4 * GIB, 2 * GIB, 3 * GIB
    found = GuestMemory(name, most, has, least, free, priority)
    return replace(found, **parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("available", "stalled", "changes"),
    [(LOW - 1, 0.0, True), (LOW, 0.0, False), (LOW, 0.2, True), (HIGH, 0.2, False), (HIGH, 0.0, False)],
    ids=["below the lower mark", "between", "between, and programs stall", "at the upper mark", "enough"],
)
def test_memory_is_taken_below_a_mark_and_where_programs_stall(
    available: int, stalled: float, changes: bool
) -> None:
    assert bool(plan_balloons(host(available, stalled), [guest("a")])) is changes


def test_a_guest_gives_no_more_in_one_step_than_an_eighth() -> None:
    assert plan_balloons(host(0), [guest("a")]) == {"a": 4 * GIB - GIB // 2}


def test_the_lowest_priority_gives_first_and_is_given_back_last() -> None:
    low, high = guest("low", priority=1), guest("high", priority=200)
    assert set(plan_balloons(host(HIGH - GIB // 2 - 1), [high, low])) == {"low"}
    taken = [replace(low, has_bytes=3 * GIB), replace(high, has_bytes=3 * GIB)]
    assert plan_balloons(host(HIGH + GIB // 4), taken) == {"high": 3 * GIB + GIB // 4}


def test_guests_of_the_same_priority_give_in_proportion_to_what_they_can() -> None:
    small = guest("small", least_bytes=4 * GIB - 128 * MIB)
    shares = plan_balloons(host(LOW - 1), [guest("large"), small])
    given_up = {name: 4 * GIB - size for name, size in shares.items()}
    assert given_up["large"] // given_up["small"] == 4
    assert HIGH - LOW - 2 * MIB < sum(given_up.values()) <= HIGH - LOW + 1


@pytest.mark.parametrize(
    "unable",
    [{"least_bytes": 4 * GIB}, {"free_bytes": None}, {"free_bytes": GIB // 2}, {"has": 2 * GIB}],
    ids=["it is to keep all", "no driver", "its programs need it", "it gave all"],
)
def test_a_guest_that_cannot_give_is_left_alone(unable: dict[str, int | None]) -> None:
    assert plan_balloons(host(0), [guest("a", **unable)]) == {}  # type: ignore[arg-type]


def test_what_spec_no_longer_lets_be_taken_comes_back_although_the_host_runs_short() -> None:
    raised = guest("a", has=2 * GIB, least_bytes=4 * GIB)
    assert plan_balloons(host(0), [raised]) == {"a": 4 * GIB}


def test_a_guest_keeps_a_quarter_of_what_it_booted_with() -> None:
    assert guest("a", least_bytes=1).floor_bytes == GIB


_guests = st.lists(
    st.builds(
        GuestMemory,
        domain=st.text("abc", min_size=1, max_size=3),
        most_bytes=st.just(4 * GIB),
        has_bytes=st.integers(GIB, 4 * GIB),
        least_bytes=st.integers(-GIB, 4 * GIB),
        free_bytes=st.none() | st.integers(0, 4 * GIB),
        priority=st.integers(0, 3),
    ),
    max_size=5,
    unique_by=lambda found: found.domain,
)


@given(_guests, st.integers(0, TOTAL), st.floats(0, 1))
def test_nobody_gets_below_the_floor_or_above_the_most(
    guests: list[GuestMemory], available: int, stalled: float
) -> None:
    known = {found.domain: found for found in guests}
    changes = plan_balloons(host(available, stalled), guests)
    for name, size in changes.items():
        assert min(known[name].floor_bytes, known[name].has_bytes) <= size <= known[name].most_bytes
    raised = [size - known[name].has_bytes for name, size in changes.items()]
    unforced = [
        more for more, name in zip(raised, changes, strict=True) if changes[name] != known[name].floor_bytes
    ]
    assert sum(more for more in unforced if more > 0) <= max(available - HIGH, 0)


@given(_guests, st.integers(0, LOW - 1))
def test_taking_and_giving_do_not_follow_each_other(guests: list[GuestMemory], available: int) -> None:
    """Also where all that was taken is at once the host's."""
    settled = [replace(found, has_bytes=max(found.has_bytes, found.floor_bytes)) for found in guests]
    changes = plan_balloons(host(available), settled)
    taken = sum(found.has_bytes - changes.get(found.domain, found.has_bytes) for found in settled)
    after = [replace(found, has_bytes=changes.get(found.domain, found.has_bytes)) for found in settled]
    again = plan_balloons(host(available + taken), after)
    assert all(size < found.has_bytes for found in after if (size := again.get(found.domain)) is not None)
