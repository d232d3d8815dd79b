"""Metrics of libraries and of Kubernetes that our alert rules and dashboard use: they are not ours to define.

Data only. What else the API server and etcd tell is in their own references; a contract test sees to it that
these are there.
"""

from __future__ import annotations

from functools import partial

from quantix_api.metric import Metric, MetricType, Source, counter, gauge

_EVERY = (Source.HOSTD, Source.OPERATOR, Source.CONTROL_PLANE)
_plane_counter = partial(counter, source=Source.CONTROL_PLANE)
_plane_gauge = partial(gauge, source=Source.CONTROL_PLANE)


def _process(name: str, kind: MetricType, help_text: str, unit: str = "") -> Metric:
    return Metric(name, kind, help_text, (), unit, _EVERY)


def _plane_durations(name: str, help_text: str, labels: tuple[str, ...] = ()) -> Metric:
    return Metric(name, MetricType.HISTOGRAM, help_text, labels, "seconds", (Source.CONTROL_PLANE,))


FOREIGN_METRICS = (
    _process("process_cpu_seconds_total", MetricType.COUNTER, "CPU time of the process.", "seconds"),
    _process("process_resident_memory_bytes", MetricType.GAUGE, "Memory that the process holds.", "bytes"),
    _process("process_virtual_memory_bytes", MetricType.GAUGE, "Its address space.", "bytes"),
    _process("process_start_time_seconds", MetricType.GAUGE, "When it was started (Unix time).", "seconds"),
    _process("process_open_fds", MetricType.GAUGE, "Files that it has open."),
    _process("process_max_fds", MetricType.GAUGE, "How many it may open."),
    _plane_counter(
        "apiserver_request_total",
        "Requests to the API server.",
        ("verb", "group", "version", "resource", "subresource", "scope", "component", "dry_run", "code"),
    ),
    _plane_durations(
        "apiserver_request_duration_seconds",
        "Time of one request to the API server.",
        ("verb", "group", "version", "resource", "subresource", "scope", "component", "dry_run"),
    ),
    _plane_gauge(
        "apiserver_current_inflight_requests", "Requests that are being answered.", ("request_kind",)
    ),
    _plane_gauge("apiserver_resource_objects", "Objects that are stored, by kind.", ("group", "resource")),
    _plane_durations("etcd_disk_wal_fsync_duration_seconds", "Time until etcd's log is on the disk."),
    _plane_durations("etcd_disk_backend_commit_duration_seconds", "Time of one commit of etcd's database."),
    _plane_gauge("etcd_mvcc_db_total_size_in_bytes", "Size of etcd's database.", unit="bytes"),
    _plane_gauge("etcd_server_quota_backend_bytes", "How large it may grow.", unit="bytes"),
    _plane_gauge("etcd_server_has_leader", "1 while the store has a leader, itself where it is alone."),
    _plane_counter("etcd_server_proposals_failed_total", "Writes that the store could not take."),
)
