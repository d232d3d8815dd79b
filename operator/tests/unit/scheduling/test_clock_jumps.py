"""A time that a user named is looked at by the clock as it is then, not as it was when the wait began."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from quantix_operator.scheduling.controller import look_again_s

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("ahead_s", "looks_s"), [(5, 5), (3600, 60), (10 * 365 * 86400, 60), (-3600, -3600)])
def test_a_restart_that_is_far_away_is_looked_at_every_minute(ahead_s: float, looks_s: float) -> None:
    assert look_again_s(NOW + timedelta(seconds=ahead_s), NOW) == looks_s
