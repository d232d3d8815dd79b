"""The operator's metrics: the instruments that its parts use, made from the table in `quantix_api`.

Made once by `service`. Names are stable: alerts are written on them. No name of a tenant's object is a label:
who reads them need not be allowed to read those.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import version

from prometheus_client.registry import Collector

from quantix_api import metric_table_operator as table
from quantix_api.conditions import condition_of
from quantix_api.resources import HOSTS, QUANTIX_RESOURCES
from quantix_api.state import state_word
from quantix_api.times import parse_time
from quantix_client.api import Manifest
from quantix_client.instruments import (
    Family,
    QueueCollector,
    ReconcileMetrics,
    RequestMetrics,
    counter,
    filled,
    gauge,
    new_registry,
)
from quantix_client.workqueue import WorkQueue
from quantix_operator.cache import Cache

# Of the colours of state words (`quantix_api.state`): all is as asked
_AT_REST = ("green", "grey")


class Metrics:
    """One registry a process, so that tests can have many."""

    def __init__(self) -> None:
        registry = self.registry = new_registry()
        gauge(table.OPERATOR_BUILD_INFO, registry).labels(version("quantix")).set(1)
        self.leader = gauge(table.OPERATOR_LEADER, registry)
        self.reconciles = ReconcileMetrics(
            table.OPERATOR_RECONCILES, table.OPERATOR_RECONCILE_SECONDS, registry
        )
        self.reconcile_errors = counter(table.OPERATOR_RECONCILE_ERRORS, registry)
        self.mapper_errors = counter(table.OPERATOR_MAPPER_ERRORS, registry)
        self.missed_changes = counter(table.OPERATOR_MISSED_CHANGES, registry)
        self.events = counter(table.OPERATOR_WATCH_EVENTS, registry)
        self.certificate_ends = gauge(table.OPERATOR_CERTIFICATE_ENDS, registry)
        self.balancer_moves_due = gauge(table.BALANCER_RECOMMENDED, registry)
        self.balancer_migrations = counter(table.BALANCER_MIGRATIONS, registry)
        self.balancer_held = gauge(table.BALANCER_HELD, registry)
        self.requests = RequestMetrics(
            table.OPERATOR_API_REQUESTS, table.OPERATOR_API_REQUEST_SECONDS, registry
        )
        self._queues = QueueCollector(table.OPERATOR_QUEUE_DEPTH, table.OPERATOR_QUEUE_RETRIES, registry)

    def watch_queue(self, name: str, queue: WorkQueue) -> None:
        """Show depth and counters of a controller's queue."""
        self._queues.queues[name] = queue

    def watch_cache(self, cache: Cache, silent_s: Callable[[str], float | None]) -> None:
        """Show what is known of the objects; `silent_s` tells how long a host has been silent, if known."""
        self.registry.register(_ObjectsCollector(cache, silent_s))


class _ObjectsCollector(Collector):
    """Collects in the thread of a scrape: the cache replaces objects, and never changes one."""

    def __init__(self, cache: Cache, silent_s: Callable[[str], float | None]) -> None:
        self._cache = cache
        self._silent_s = silent_s

    def collect(self) -> Iterator[Family]:
        phases: Counter[tuple[str, str]] = Counter()
        not_ready: Counter[tuple[str, str]] = Counter()
        since: dict[tuple[str, str], float] = {}
        for resource in self._cache.resources:
            phases[resource.plural, ""] += 0
            for obj in self._cache.list(resource):
                phases[resource.plural, phase_of(obj)] += 1
                found = not_ready_since(obj) if resource in QUANTIX_RESOURCES else None
                if found is not None:
                    key = (resource.plural, found[0])
                    not_ready[key] += 1
                    since[key] = min(since.get(key, found[1]), found[1])
        yield filled(table.OPERATOR_OBJECTS, phases.items())
        yield filled(table.OPERATOR_NOT_READY, not_ready.items())
        yield filled(table.OPERATOR_NOT_READY_SINCE, since.items())
        hosts = [obj["metadata"]["name"] for obj in self._cache.list(HOSTS)]
        silences = {(host,): self._silent_s(host) for host in hosts}
        known = {labels: seconds for labels, seconds in silences.items() if seconds is not None}
        yield filled(table.OPERATOR_HOST_SILENCE, known.items())


def phase_of(obj: Manifest) -> str:
    """The phase of an object, "" where its kind has none or none was set yet."""
    return str((obj.get("status") or {}).get("phase") or "")


def not_ready_since(obj: Manifest) -> tuple[str, float] | None:
    """Why an object is not as asked and since when (Unix time); None when it is, or when its kind has no
    Ready.
    """
    metadata = obj["metadata"]
    if metadata.get("deletionTimestamp"):
        return "Deleting", _seconds(metadata["deletionTimestamp"])
    ready = condition_of(obj)
    if not ready or state_word(obj).colour in _AT_REST:
        return None
    return str(ready.get("reason") or ""), _seconds(ready.get("lastTransitionTime") or "")


def _seconds(time: str) -> float:
    """Unix time of an RFC 3339 one; endlessly late when it is none, so that no alert counts from it."""
    try:
        return parse_time(time).timestamp()
    except ValueError:
        return math.inf
