"""The clock was set: what is kept for an hour is kept for an hour."""

from __future__ import annotations

from datetime import timedelta

import pytest

from quantix_operator.certificates.controller import kept_s


@pytest.mark.parametrize(
    ("age", "seconds"),
    [
        (timedelta(0), 3600),
        (timedelta(minutes=50), 600),
        (timedelta(hours=-1), 3600),
        (timedelta(days=-3650), 3600),
    ],
)
def test_a_decided_request_is_kept_for_at_most_an_hour_however_the_clock_jumps(
    age: timedelta, seconds: float
) -> None:
    assert kept_s(age) == seconds
