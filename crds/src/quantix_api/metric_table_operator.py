"""Metrics of the operator. Data only."""

from __future__ import annotations

from functools import partial

from quantix_api import metric
from quantix_api.metric import Source
from quantix_api.metric_table_hostd import RECONCILE_BUCKETS, REQUEST_BUCKETS

_counter = partial(metric.counter, source=Source.OPERATOR)
_gauge = partial(metric.gauge, source=Source.OPERATOR)
_durations = partial(metric.durations, source=Source.OPERATOR)
_CONTROLLER = ("controller",)
_RESOURCE = ("resource",)

OPERATOR_BUILD_INFO = _gauge("quantix_operator_build_info", "The version that runs.", ("version",))
OPERATOR_LEADER = _gauge("quantix_operator_leader", "1 while this process leads; the others stand by.")
OPERATOR_RECONCILES = _counter(
    "quantix_operator_reconciles_total",
    "Looks at an object, by how they ended: success, waiting (for something else) or error.",
    ("controller", "result"),
)
OPERATOR_RECONCILE_SECONDS = _durations(
    "quantix_operator_reconcile_duration_seconds",
    "Time of one look at an object.",
    _CONTROLLER,
    buckets=RECONCILE_BUCKETS,
)
OPERATOR_RECONCILE_ERRORS = _counter(
    "quantix_operator_reconcile_errors_total",
    "Looks at an object that failed, by reason; InternalError is a bug.",
    ("controller", "reason"),
)
OPERATOR_MAPPER_ERRORS = _counter(
    "quantix_operator_mapper_errors_total",
    "Changes of which a controller could not tell whom they concern: a bug.",
    _CONTROLLER,
)
OPERATOR_QUEUE_DEPTH = _gauge("quantix_operator_queue_depth", "Objects that wait for a worker.", _CONTROLLER)
OPERATOR_QUEUE_RETRIES = _counter(
    "quantix_operator_queue_retries_total",
    "Objects put back after a failure, to be looked at later.",
    _CONTROLLER,
)
OPERATOR_API_REQUESTS = _counter(
    "quantix_operator_api_requests_total",
    "Requests to the API server, without kopf's watches; everything but GET is a write or a review. "
    "Code 0: no answer.",
    ("method", "resource", "code"),
)
OPERATOR_API_REQUEST_SECONDS = _durations(
    "quantix_operator_api_request_duration_seconds",
    "Time of one request to the API server.",
    ("method",),
    buckets=REQUEST_BUCKETS,
)
OPERATOR_OBJECTS = _gauge(
    "quantix_operator_objects",
    "Objects of the API, by the phase that they are in; none where a kind has no phases.",
    ("resource", "phase"),
)
OPERATOR_NOT_READY = _gauge(
    "quantix_operator_objects_not_ready",
    "Objects that are not as asked, by the reason that they give: waiting, at work or failed.",
    ("resource", "reason"),
)
OPERATOR_NOT_READY_SINCE = _gauge(
    "quantix_operator_objects_not_ready_since_timestamp_seconds",
    "Since when the one that is so for longest is not as asked (Unix time).",
    ("resource", "reason"),
    unit="seconds",
)
OPERATOR_HOST_SILENCE = _gauge(
    "quantix_operator_host_silence_seconds",
    "How long ago a host renewed its lease; none for a host that never did, or while the API is away.",
    ("host",),
    unit="seconds",
)
OPERATOR_WATCH_EVENTS = _counter(
    "quantix_operator_watch_events_total", "Changes that watches of the API told.", _RESOURCE
)
OPERATOR_MISSED_CHANGES = _counter(
    "quantix_operator_missed_changes_total",
    "Changes that a periodic full list found and the watch had not told.",
    _RESOURCE,
)
OPERATOR_CERTIFICATE_ENDS = _gauge(
    "quantix_operator_certificate_ends_timestamp_seconds",
    "When a certificate or token ends (Unix time).",
    ("certificate",),
    unit="seconds",
)
BALANCER_RECOMMENDED = _gauge(
    "quantix_operator_balancer_moves_due",
    "VMs that would be better off on another host and are not on their way, by why.",
    ("reason",),
)
BALANCER_MIGRATIONS = _counter(
    "quantix_operator_balancer_migrations_total",
    "Migrations that the balancer asked for, by why.",
    ("reason",),
)
BALANCER_HELD = _gauge(
    "quantix_operator_balancer_held",
    "1 while nothing is balanced, since a host joins, drains or is not Ready.",
)
NORTHBOUND_ROWS = _gauge(
    "quantix_operator_northbound_rows",
    "Rows of the network database: ours, foreign, and held back as suspicious to remove.",
    ("whose",),
)
NORTHBOUND_SECONDS = _durations(
    "quantix_operator_northbound_transaction_duration_seconds",
    "Time of one transaction of the network database.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
)
NORTHBOUND_TRANSACTIONS = _counter(
    "quantix_operator_northbound_transactions_total",
    "Transactions of the network database, by outcome: committed, or a reason.",
    ("outcome",),
)
NORTHBOUND_OPERATIONS = _counter(
    "quantix_operator_northbound_operations_total",
    "Rows that transactions of the network database made, changed or removed.",
)

OPERATOR_METRICS = (
    OPERATOR_BUILD_INFO,
    OPERATOR_LEADER,
    OPERATOR_RECONCILES,
    OPERATOR_RECONCILE_SECONDS,
    OPERATOR_RECONCILE_ERRORS,
    OPERATOR_MAPPER_ERRORS,
    OPERATOR_QUEUE_DEPTH,
    OPERATOR_QUEUE_RETRIES,
    OPERATOR_API_REQUESTS,
    OPERATOR_API_REQUEST_SECONDS,
    OPERATOR_OBJECTS,
    OPERATOR_NOT_READY,
    OPERATOR_NOT_READY_SINCE,
    OPERATOR_HOST_SILENCE,
    OPERATOR_WATCH_EVENTS,
    OPERATOR_MISSED_CHANGES,
    OPERATOR_CERTIFICATE_ENDS,
    BALANCER_RECOMMENDED,
    BALANCER_MIGRATIONS,
    BALANCER_HELD,
    NORTHBOUND_ROWS,
    NORTHBOUND_SECONDS,
    NORTHBOUND_TRANSACTIONS,
    NORTHBOUND_OPERATIONS,
)
