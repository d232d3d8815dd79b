"""When a restart is asked for: later than the one before, whatever the clock says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from quantix_cli.commands.power import restart_time

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("handled", "at"),
    [
        (None, "2026-01-01T12:00:00Z"),
        ("2025-12-31T12:00:00Z", "2026-01-01T12:00:00Z"),
        ("2026-01-01T12:00:00Z", "2026-01-01T12:00:01Z"),
        ("2026-01-01T13:00:00Z", "2026-01-01T13:00:01Z"),
    ],
)
def test_a_restart_comes_after_the_last_one_also_when_the_clock_was_set_back(
    handled: str | None, at: str
) -> None:
    runtime = {"handledRestartAt": handled} if handled else {}
    assert restart_time({"status": {"runtime": runtime}}, NOW) == at
