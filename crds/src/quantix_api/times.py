"""Points in time as the API takes and gives them: RFC 3339, written in UTC.

Used by whoever writes or reads a time of a manifest. Formats: metav1.Time has whole seconds, metav1.MicroTime
(of Leases and Events) microseconds (Kubernetes API conventions; RFC 3339, section 5.6).
"""

from __future__ import annotations

from datetime import UTC, datetime

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_MICRO_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


def render_time(moment: datetime) -> str:
    """metav1.Time; what is finer than a second is cut off. `moment` carries its zone."""
    return moment.astimezone(UTC).strftime(_TIME)


def render_epoch_time(seconds: float) -> str:
    """metav1.Time of a moment in seconds since 1970."""
    return render_time(datetime.fromtimestamp(seconds, UTC))


def render_micro_time(moment: datetime) -> str:
    """metav1.MicroTime. `moment` carries its zone."""
    return moment.astimezone(UTC).strftime(_MICRO_TIME)


def parse_time(text: str) -> datetime:
    """Either form, in any zone. Raises ValueError for what is no such time, as one without a zone is."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no zone, as 2026-01-31T12:00:00Z does")
    return moment
