"""Prometheus' instruments of a process, made from the tables of `quantix_api.metrics` and from nothing else.

Used by hostd and the operator. A registry a process, so that tests can have many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from quantix_api.metric import Metric, MetricType
from quantix_client.transport import Call
from quantix_client.workqueue import Result, WorkQueue

Family = CounterMetricFamily | GaugeMetricFamily

# The library would give every counter and histogram a second series, with the time when it was made
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


def new_registry() -> CollectorRegistry:
    """A registry with what is known of every process: CPU, memory, descriptors, when it started."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    """A counter that the process adds to."""
    return Counter(metric.name, metric.help, metric.labels, registry=registry)


def gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    """A gauge that the process sets."""
    return Gauge(metric.name, metric.help, metric.labels, registry=registry)


def histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    """A histogram with the table's buckets."""
    return Histogram(metric.name, metric.help, metric.labels, buckets=metric.buckets, registry=registry)


def family(metric: Metric) -> Family:
    """An empty counter or gauge, to be filled while a scrape is answered."""
    make = CounterMetricFamily if metric.type is MetricType.COUNTER else GaugeMetricFamily
    return make(metric.name, metric.help, labels=metric.labels)


def filled(metric: Metric, samples: Iterable[tuple[Sequence[str], float]]) -> Family:
    """A counter or gauge with these values, each with its labels in the table's order."""
    made = family(metric)
    for labels, value in samples:
        made.add_metric(labels, value)
    return made


class ReconcileMetrics:
    """How looks at objects end, and how long they take; both metrics have the queue as their first label."""

    def __init__(self, results: Metric, seconds: Metric, registry: CollectorRegistry) -> None:
        self._results = counter(results, registry)
        self._seconds = histogram(seconds, registry)

    def observer(self, queue: str) -> Callable[[Result, float], None]:
        """What to hand to `WorkQueue.run` as `on_attempt`."""
        seconds = self._seconds.labels(queue)
        results = {result: self._results.labels(queue, result.value) for result in Result}

        def observe(result: Result, seconds_taken: float) -> None:
            results[result].inc()
            seconds.observe(seconds_taken)

        return observe


class QueueCollector(Collector):
    """Depth and retries of work queues by name; `queues` may get more at any time."""

    def __init__(self, depth: Metric, retries: Metric, registry: CollectorRegistry) -> None:
        self.queues: dict[str, WorkQueue] = {}
        self._depth, self._retries = depth, retries
        registry.register(self)

    def collect(self) -> Iterator[Family]:
        queues = tuple(self.queues.items())
        yield filled(self._depth, (((name,), len(queue)) for name, queue in queues))
        yield filled(self._retries, (((name,), queue.counters.retries) for name, queue in queues))


class RequestMetrics:
    """Hand it to `ApiClient` as `on_answer`: counts requests and how long they took."""

    def __init__(self, requests: Metric, seconds: Metric, registry: CollectorRegistry) -> None:
        self._requests = counter(requests, registry)
        self._seconds = histogram(seconds, registry)

    def __call__(self, call: Call, code: int, seconds: float) -> None:
        self._requests.labels(call.method, resource_in(call.path), str(code)).inc()
        self._seconds.labels(call.method).observe(seconds)


def resource_in(path: str) -> str:
    """The resource that a path of the API is about, never an object's name: "volumes", "hosts/status", ""."""
    parts = path.strip("/").split("/")
    depth = {"api": 2, "apis": 3}.get(parts[0], len(parts))
    rest = parts[depth:]
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        rest = rest[2:]
    return "/".join(rest[:1] + rest[2:3])
