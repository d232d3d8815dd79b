"""Times as the API writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from quantix_api.times import parse_time, render_epoch_time, render_micro_time, render_time

MOMENT = datetime(2026, 1, 31, 12, 0, 5, 123456, UTC)


def test_a_time_has_whole_seconds_and_a_micro_time_all_six_digits() -> None:
    assert render_time(MOMENT) == "2026-01-31T12:00:05Z"
    assert render_micro_time(MOMENT) == "2026-01-31T12:00:05.123456Z"
    assert render_micro_time(MOMENT.replace(microsecond=0)) == "2026-01-31T12:00:05.000000Z"


def test_another_zone_is_written_in_utc() -> None:
    elsewhere = MOMENT.astimezone(timezone(timedelta(hours=2)))
    assert render_time(elsewhere) == "2026-01-31T12:00:05Z"
    assert render_micro_time(elsewhere) == "2026-01-31T12:00:05.123456Z"


def test_seconds_since_1970_are_a_time() -> None:
    assert render_epoch_time(MOMENT.timestamp()) == "2026-01-31T12:00:05Z"


@pytest.mark.parametrize("render", [render_time, render_micro_time])
def test_what_was_written_is_read_back(render: object) -> None:
    assert callable(render)
    whole = MOMENT.replace(microsecond=0)
    assert parse_time(render(whole)) == whole


def test_another_zone_is_read() -> None:
    assert parse_time("2026-01-31T14:00:05+02:00") == MOMENT.replace(microsecond=0)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-31", "2026-01-31T12:00:05"])
def test_what_is_no_time_or_names_no_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|zone"):
        parse_time(text)
