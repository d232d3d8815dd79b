"""The operator's figures in Prometheus' format.

Made once by `main`; controllers may add their own through `registry`. Names are stable: alerts are written on
them.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from quantix_client.workqueue import WorkQueue
from quantix_operator.cache import Cache


class Metrics:
    """One registry a process, so that tests can have many."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.leader = Gauge("quantix_operator_leader", "1 while this process leads", registry=self.registry)
        self.reconcile_seconds = Histogram(
            "quantix_operator_reconcile_seconds",
            "Time of one reconcile",
            ["controller"],
            registry=self.registry,
        )
        self.reconcile_errors = Counter(
            "quantix_operator_reconcile_errors",
            "Reconciles that failed",
            ["controller", "reason"],
            registry=self.registry,
        )
        self.mapper_errors = Counter(
            "quantix_operator_mapper_errors",
            "Changes that a controller could not make keys of (a bug)",
            ["controller"],
            registry=self.registry,
        )
        self.missed_changes = Counter(
            "quantix_operator_missed_changes",
            "Changes that a periodic full list found and the watch had not told",
            ["resource"],
            registry=self.registry,
        )
        self.events = Counter(
            "quantix_operator_watch_events", "Events told by watches", ["resource"], registry=self.registry
        )
        self.certificate_ends = Gauge(
            "quantix_operator_certificate_ends_timestamp_seconds",
            "When a certificate ends (Unix time)",
            ["certificate"],
            registry=self.registry,
        )
        self._queues = _QueueCollector()
        self.registry.register(self._queues)

    def watch_queue(self, name: str, queue: WorkQueue) -> None:
        """Show depth and counters of a controller's queue."""
        self._queues.queues[name] = queue

    def watch_cache(self, cache: Cache) -> None:
        """Show how many objects are known."""
        self.registry.register(_CacheCollector(cache))


class _QueueCollector(Collector):
    def __init__(self) -> None:
        self.queues: dict[str, WorkQueue] = {}

    def collect(self) -> list[GaugeMetricFamily | CounterMetricFamily]:
        depth = GaugeMetricFamily(
            "quantix_operator_queue_depth", "Keys waiting for a worker", labels=["controller"]
        )
        retries = CounterMetricFamily(
            "quantix_operator_queue_retries", "Keys put back", labels=["controller"]
        )
        for name, queue in self.queues.items():
            depth.add_metric([name], len(queue))
            retries.add_metric([name], queue.counters.retries)
        return [depth, retries]


class _CacheCollector(Collector):
    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def collect(self) -> list[GaugeMetricFamily]:
        objects = GaugeMetricFamily("quantix_operator_objects", "Objects known", labels=["resource"])
        for resource in self._cache.resources:
            objects.add_metric([resource.plural], len(self._cache.list(resource)))
        return [objects]
