"""Points in time as the API writes them: RFC 3339 in UTC, whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def time_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(_FORMAT)


def text_of_seconds(seconds: float) -> str:
    """`seconds` since 1970 as the API writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime(_FORMAT)
