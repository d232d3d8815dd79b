"""This host's figures in Prometheus' format.

Rendered for each scrape from what is known at that moment; nothing is stored, and nothing of it goes into
the API.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from quantix_hostd.dispatch import Lane
from quantix_hostd.domainxml.spec import vm_uid_of
from quantix_hostd.facts.domain import DomainStats

_LABELS = ("namespace", "name", "uid")
_NANOSECONDS = 1e9
_KIB = 1024
# libvirt-domain.h, virConnectGetAllDomainStats: one group of members for each device
_DEVICE = re.compile(r"^(block|net)\.\d+\.(.+)$")
_TOTALS = {
    ("block", "rd.bytes"): ("quantix_vm_disk_read_bytes", "Bytes read from disks."),
    ("block", "wr.bytes"): ("quantix_vm_disk_written_bytes", "Bytes written to disks."),
    ("net", "rx.bytes"): ("quantix_vm_network_received_bytes", "Bytes received by NICs."),
    ("net", "tx.bytes"): ("quantix_vm_network_sent_bytes", "Bytes sent by NICs."),
}


@dataclass(frozen=True)
class MetricSources:
    """A moment: figures of running guests, the VMs by UID, the queues, whether libvirt answers, and in which
    pool each volume lies of which the API has none.
    """

    stats: tuple[DomainStats, ...]
    machines: Mapping[str, Mapping[str, Any]]
    lanes: Mapping[str, Lane]
    libvirt: bool
    orphan_volume_pools: tuple[str, ...] = ()


def render_metrics(sources: MetricSources) -> bytes:
    """The text of a scrape."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(sources))
    return generate_latest(registry)


class _Snapshot:
    def __init__(self, sources: MetricSources) -> None:
        self._sources = sources

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "quantix_hostd_libvirt_up", "Whether libvirt answers.", value=float(self._sources.libvirt)
        )
        yield from self._queues()
        yield self._orphan_volumes()
        yield from self._guests()

    def _orphan_volumes(self) -> Metric:
        found = GaugeMetricFamily(
            "quantix_pool_orphan_volumes", "Volumes here of which the API has none.", labels=["pool"]
        )
        for pool, count in sorted(Counter(self._sources.orphan_volume_pools).items()):
            found.add_metric([pool], float(count))
        return found

    def _queues(self) -> Iterator[Metric]:
        done = CounterMetricFamily("quantix_hostd_looks", "Keys worked on.", labels=["kind"])
        retries = CounterMetricFamily("quantix_hostd_retries", "Keys that failed.", labels=["kind"])
        for kind, lane in self._sources.lanes.items():
            done.add_metric([kind], lane.queue.counters.done)
            retries.add_metric([kind], lane.queue.counters.retries)
        yield from (done, retries)

    def _guests(self) -> Iterator[Metric]:
        running = GaugeMetricFamily("quantix_vm_running", "Guests that run here.", labels=_LABELS)
        cpu = CounterMetricFamily("quantix_vm_cpu_seconds", "CPU time used.", labels=_LABELS)
        resident = GaugeMetricFamily("quantix_vm_memory_resident_bytes", "Memory used.", labels=_LABELS)
        totals = {key: CounterMetricFamily(*named, labels=_LABELS) for key, named in _TOTALS.items()}
        for stats in self._sources.stats:
            labels = self._labels(vm_uid_of(stats.domain_name) or "")
            running.add_metric(labels, 1.0)
            cpu.add_metric(labels, stats.values.get("cpu.time", 0) / _NANOSECONDS)
            resident.add_metric(labels, float(stats.values.get("balloon.rss", 0) * _KIB))
            for key, total in _device_totals(stats.values).items():
                totals[key].add_metric(labels, total)
        yield from (running, cpu, resident, *totals.values())

    def _labels(self, uid: str) -> list[str]:
        metadata = self._sources.machines.get(uid, {}).get("metadata", {})
        return [str(metadata.get("namespace", "")), str(metadata.get("name", "")), uid]


def _device_totals(values: Mapping[str, int]) -> dict[tuple[str, str], float]:
    totals = dict.fromkeys(_TOTALS, 0.0)
    for name, value in values.items():
        if found := _DEVICE.match(name):
            key = (found[1], found[2])
            if key in totals:
                totals[key] += value
    return totals
