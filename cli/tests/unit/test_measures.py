"""Durations, ages and sizes as people read them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from quantix_cli.measures import duration, how_long, local_time, parse_duration_s, short_age, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.58, "0.6 s"),
        (23.8, "24 s"),
        (119, "1 m 59 s"),
        (364, "6 m 04 s"),
        (3 * 3600, "3 h"),
        (12 * 86400, "12 d"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "table", "prose"),
    [
        (-3, "0s", "0 s"),
        (20, "20s", "20 s"),
        (720, "12m", "12 m"),
        (3 * 3600, "3h", "3 h"),
        (12 * 86400, "12d", "12 d"),
    ],
)
def test_ages(seconds: float, table: str, prose: str) -> None:
    assert (short_age(seconds), how_long(seconds)) == (table, prose)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (2 << 30, "2 GiB"),
        (1503238553, "1.4 GiB"),
        (64 << 30, "64 GiB"),
        (10 << 40, "10 TiB"),
    ],
)
def test_sizes(size_bytes: int, text: str) -> None:
    assert size(size_bytes) == text


def test_moments_are_those_of_the_clock_on_the_wall() -> None:
    moment = datetime(2026, 11, 24, 13, 31, 7, 999, tzinfo=UTC)
    assert local_time(moment, timezone(timedelta(hours=1))) == "14:31:07 +01:00"
    assert local_time(moment, UTC) == "13:31:07 +00:00"


def test_times_are_read_as_they_are_typed() -> None:
    assert [parse_duration_s(text) for text in ("90", "1.5s", "5m", "1h", "2d")] == [
        90,
        1.5,
        300,
        3600,
        172800,
    ]
    for wrong in ("", "m", "5 m", "-1", "1e3", "inf", "5mm"):
        with pytest.raises(ValueError):
            parse_duration_s(wrong)
