"""What the sendings of guests come to, for metrics: how many, for how long, how much, and for how long guests
stood still. Used by `outgoing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram

from quantix_api import metric_table_hostd as table
from quantix_client.instruments import counter, histogram

SENT = "sent"
"""The outcome of one whose guest is there; of the others it is the reason."""


@dataclass(frozen=True)
class SendingEnd:
    """`copied_bytes`: as far as was seen; `stood_still_s` None: nobody saw the guest stop."""

    outcome: str
    seconds: float
    copied_bytes: int = 0
    stood_still_s: float | None = None


class Meter(Protocol):
    """Hears of each sending that ended."""

    def note(self, end: SendingEnd) -> None: ...


class SendingMetrics:
    """The instruments."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ended: Counter = counter(table.HOSTD_MIGRATIONS, registry)
        self._bytes: Counter = counter(table.HOSTD_MIGRATION_BYTES, registry)
        self._seconds: Histogram = histogram(table.HOSTD_MIGRATION_SECONDS, registry)
        self._still: Histogram = histogram(table.HOSTD_MIGRATION_DOWNTIME, registry)

    def note(self, end: SendingEnd) -> None:
        """Count it; how long it took only where the guest is there."""
        self._ended.labels(end.outcome).inc()
        self._bytes.inc(end.copied_bytes)
        if end.outcome == SENT:
            self._seconds.observe(end.seconds)
        if end.outcome == SENT and end.stood_still_s is not None:
            self._still.observe(end.stood_still_s)
