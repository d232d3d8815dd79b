"""Metrics of hostd itself. Data only."""

from __future__ import annotations

from quantix_api.metric import counter, durations, gauge

_KIND = ("kind",)
RECONCILE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

HOSTD_BUILD_INFO = gauge("quantix_hostd_build_info", "The version that runs.", ("version",))
HOSTD_LIBVIRT_UP = gauge("quantix_hostd_libvirt_up", "1 while libvirt answers.")
HOSTD_LIBVIRT_CONNECTIONS = counter(
    "quantix_hostd_libvirt_connections_total",
    "How often a connection to libvirt was opened; every one after the first replaced a lost one.",
)
HOSTD_VM_STATS_UP = gauge(
    "quantix_hostd_vm_stats_up",
    "1 when the figures of guests are here; 0: libvirt did not give them in time, and they are left out.",
)
HOSTD_VM_STATS_SECONDS = durations(
    "quantix_hostd_vm_stats_duration_seconds",
    "Time that libvirt took for the figures of all guests.",
    buckets=REQUEST_BUCKETS,
)
HOSTD_RECONCILES = counter(
    "quantix_hostd_reconciles_total",
    "Looks at an object, by how they ended: success, waiting (for something else) or error.",
    ("kind", "result"),
)
HOSTD_RECONCILE_SECONDS = durations(
    "quantix_hostd_reconcile_duration_seconds",
    "Time of one look at an object.",
    _KIND,
    buckets=RECONCILE_BUCKETS,
)
HOSTD_QUEUE_DEPTH = gauge("quantix_hostd_queue_depth", "Objects that wait for a worker.", _KIND)
HOSTD_QUEUE_RETRIES = counter(
    "quantix_hostd_queue_retries_total", "Objects put back after a failure, to be looked at later.", _KIND
)
HOSTD_API_REQUESTS = counter(
    "quantix_hostd_api_requests_total",
    "Requests to the API server; everything but GET is a write or a review. Code 0: no answer.",
    ("method", "resource", "code"),
)
HOSTD_API_REQUEST_SECONDS = durations(
    "quantix_hostd_api_request_duration_seconds",
    "Time of one request to the API server; of a watch: until it began.",
    ("method",),
    buckets=REQUEST_BUCKETS,
)
HOSTD_CERTIFICATE_ENDS = gauge(
    "quantix_hostd_certificate_ends_timestamp_seconds",
    "When a certificate of the host ends (Unix time): serving, client towards the API, or ovn.",
    ("certificate",),
    unit="seconds",
)

HOSTD_MIGRATIONS = counter(
    "quantix_hostd_migrations_total",
    "Guests that this host sent to others: sent, or the reason why it was given up.",
    ("outcome",),
)
HOSTD_MIGRATION_BYTES = counter(
    "quantix_hostd_migration_copied_bytes_total",
    "Memory and data of guests that were copied to other hosts, as far as was seen; also if given up later.",
    unit="bytes",
)
HOSTD_MIGRATION_SECONDS = durations(
    "quantix_hostd_migration_duration_seconds",
    "Time from the beginning of the copy of a guest until it was at the other host.",
    buckets=(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0),
)
HOSTD_MIGRATION_DOWNTIME = durations(
    "quantix_hostd_migration_downtime_seconds",
    "How long guests stood still here before they were at the other host.",
    buckets=(0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0),
)

HOSTD_METRICS = (
    HOSTD_BUILD_INFO,
    HOSTD_LIBVIRT_UP,
    HOSTD_LIBVIRT_CONNECTIONS,
    HOSTD_VM_STATS_UP,
    HOSTD_VM_STATS_SECONDS,
    HOSTD_RECONCILES,
    HOSTD_RECONCILE_SECONDS,
    HOSTD_QUEUE_DEPTH,
    HOSTD_QUEUE_RETRIES,
    HOSTD_API_REQUESTS,
    HOSTD_API_REQUEST_SECONDS,
    HOSTD_CERTIFICATE_ENDS,
    HOSTD_MIGRATIONS,
    HOSTD_MIGRATION_BYTES,
    HOSTD_MIGRATION_SECONDS,
    HOSTD_MIGRATION_DOWNTIME,
)
