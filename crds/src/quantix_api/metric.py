"""What a metric is: its name, type, unit, labels and meaning, by Prometheus' conventions (metric and label
naming, exposition format 0.0.4).

The tables are in the `metric_table_*` modules; `metrics` puts them together.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MetricType(StrEnum):
    """Prometheus' types, as they stand in a `# TYPE` line."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Source(StrEnum):
    """The process whose /metrics has it."""

    HOSTD = "hostd"
    OPERATOR = "operator"
    CONTROL_PLANE = "control plane"


@dataclass(frozen=True)
class Metric:
    """One metric. `name` is the whole one, as queries use it; `help` ends with a full stop.

    `unit` is a base unit ("seconds", "bytes"), which the name holds too, or "" for a number of things, a
    truth (0 or 1) or an info metric (always 1, its labels are what it tells). `buckets` are the upper bounds
    of a histogram, in `unit`.
    """

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    sources: tuple[Source, ...] = (Source.HOSTD,)
    buckets: tuple[float, ...] = ()


def counter(
    name: str, help_text: str, labels: tuple[str, ...] = (), *, unit: str = "", source: Source = Source.HOSTD
) -> Metric:
    """What only grows, and starts at 0 with the process."""
    return Metric(name, MetricType.COUNTER, help_text, labels, unit, (source,))


def gauge(
    name: str, help_text: str, labels: tuple[str, ...] = (), *, unit: str = "", source: Source = Source.HOSTD
) -> Metric:
    """What goes up and down."""
    return Metric(name, MetricType.GAUGE, help_text, labels, unit, (source,))


def durations(
    name: str,
    help_text: str,
    labels: tuple[str, ...] = (),
    *,
    buckets: tuple[float, ...],
    source: Source = Source.HOSTD,
) -> Metric:
    """A histogram of seconds."""
    return Metric(name, MetricType.HISTOGRAM, help_text, labels, "seconds", (source,), buckets)
