"""How slowly an image may come: in every minute, and all of it."""

from __future__ import annotations

from collections.abc import Mapping

from quantix_hostd.pace import Pace, PaceKeeper

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def minutes(keeper: PaceKeeper, number: int, bytes_a_minute: int) -> Mapping[str, str]:
    """So many minutes at this pace; what was too slow, at the first moment that says so."""
    for _ in range(number):
        if slow := keeper.slowness(60.0, bytes_a_minute):
            return slow
    return {}


def test_who_sends_less_than_the_least_in_a_minute_is_too_slow_whatever_the_length() -> None:
    words = {"least": "64 KiB", "window": "60 s"}
    for promised_bytes in (None, 10 * KIB, GIB):
        assert minutes(PaceKeeper(Pace(), promised_bytes), 1, 63 * KIB) == words


def test_a_promise_that_takes_months_at_the_least_pace_is_held_for_a_quarter_of_an_hour() -> None:
    keeper = PaceKeeper(Pace(), 10 * GIB)
    assert minutes(keeper, 14, 64 * KIB) == {}
    slow = minutes(keeper, 1, 64 * KIB)
    assert slow == {"sent": "960 KiB", "promised": "10 GiB", "minutes": "15", "hours": "24"}


def test_a_promise_that_is_kept_within_a_day_may_take_all_of_it() -> None:
    enough = 10 * GIB // (24 * 60) + 1
    assert minutes(PaceKeeper(Pace(), 10 * GIB), 24 * 60, enough) == {}


def test_who_sent_much_and_then_little_is_ended_within_the_day() -> None:
    keeper = PaceKeeper(Pace(), 10 * GIB)
    assert keeper.slowness(60.0, 9 * GIB) == {}
    assert minutes(keeper, 20 * 60, 64 * KIB) == {}
    slow = minutes(keeper, 4 * 60, 64 * KIB)
    assert (slow["promised"], slow["hours"]) == ("10 GiB", "24")


def test_a_small_file_may_come_at_the_least_pace() -> None:
    assert minutes(PaceKeeper(Pace(), 90 * MIB), 24 * 60, 64 * KIB) == {}


def test_a_stream_without_a_length_promised_nothing() -> None:
    assert minutes(PaceKeeper(Pace()), 48 * 60, 64 * KIB) == {}
