"""What hostd tells Prometheus: its own instruments, and this host and its guests at the moment of a scrape.

Made once by `service`; the parts of the process use the instruments. Nothing of it goes into the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from quantix_api import metric_table_hostd as table
from quantix_client.instruments import (
    Family,
    QueueCollector,
    ReconcileMetrics,
    RequestMetrics,
    counter,
    filled,
    gauge,
    histogram,
    new_registry,
)
from quantix_hostd.domainxml.spec import vm_uid_of
from quantix_hostd.facts.domain import DomainStats
from quantix_hostd.host.host_metrics import HostMoment, host_families
from quantix_hostd.host.vm_metrics import vm_families
from quantix_hostd.migration.meter import SendingMetrics

Manifest = Mapping[str, Any]


class HostdMetrics:
    """The instruments of one process."""

    def __init__(self) -> None:
        registry = self.registry = new_registry()
        gauge(table.HOSTD_BUILD_INFO, registry).labels(version("quantix")).set(1)
        self.libvirt_connections = counter(table.HOSTD_LIBVIRT_CONNECTIONS, registry)
        self.vm_stats_seconds = histogram(table.HOSTD_VM_STATS_SECONDS, registry)
        self.reconciles = ReconcileMetrics(table.HOSTD_RECONCILES, table.HOSTD_RECONCILE_SECONDS, registry)
        self.queues = QueueCollector(table.HOSTD_QUEUE_DEPTH, table.HOSTD_QUEUE_RETRIES, registry).queues
        self.sendings = SendingMetrics(registry)
        self.requests = RequestMetrics(table.HOSTD_API_REQUESTS, table.HOSTD_API_REQUEST_SECONDS, registry)


@dataclass(frozen=True)
class Moment:
    """What a scrape shows beside the instruments. `stats` is None when libvirt does not give figures now;
    `machines` are this host's VMs by UID; `certificate_ends` is in Unix time.
    """

    host: HostMoment
    stats: tuple[DomainStats, ...] | None
    machines: Mapping[str, Manifest]
    libvirt: bool
    certificate_ends: Mapping[str, float]


def render_metrics(registry: CollectorRegistry, moment: Moment) -> bytes:
    """The text of a scrape: the instruments, then the moment."""
    now = CollectorRegistry()
    now.register(_MomentCollector(moment))
    return generate_latest(registry) + generate_latest(now)


def render_vm_metrics(uid: str, stats: Sequence[DomainStats], machines: Mapping[str, Manifest]) -> bytes:
    """The text about one VM, and nothing of any other."""
    own = [domain for domain in stats if vm_uid_of(domain.domain_name) == uid]
    now = CollectorRegistry()
    now.register(_VmCollector(own, {uid: machines[uid]} if uid in machines else {}))
    return generate_latest(now)


class _VmCollector(Collector):
    def __init__(self, stats: Sequence[DomainStats], machines: Mapping[str, Manifest]) -> None:
        self._stats, self._machines = stats, machines

    def collect(self) -> Iterator[Family]:
        yield from vm_families(self._stats, self._machines)


class _MomentCollector(Collector):
    def __init__(self, moment: Moment) -> None:
        self._moment = moment

    def collect(self) -> Iterator[Family]:
        moment = self._moment
        yield filled(table.HOSTD_LIBVIRT_UP, [((), float(moment.libvirt))])
        yield filled(table.HOSTD_VM_STATS_UP, [((), float(moment.stats is not None))])
        ends = [((name,), seconds) for name, seconds in moment.certificate_ends.items()]
        yield filled(table.HOSTD_CERTIFICATE_ENDS, ends)
        yield from host_families(moment.host)
        yield from vm_families(moment.stats or (), moment.machines)
