"""The Kubernetes client side that all components share: verbs, watches, queues, leases, server-side apply."""

from quantix_client.api import ApiClient, ListResult, Manifest
from quantix_client.apply import apply_if_changed, owned_fields
from quantix_client.clock import Clock, ManualClock, SystemClock
from quantix_client.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    NotFound,
    ServerFault,
    Throttled,
    Unauthorized,
    Unprocessable,
    Unreachable,
)
from quantix_client.lease import HostLease, LeaderLease, LeaderTimes, LeaseObserver
from quantix_client.reflector import Change, Reflector, key_of, split_key
from quantix_client.watching import WatchEvent
from quantix_client.workqueue import Backoff, WorkQueue

__all__ = [
    "AlreadyExists",
    "ApiClient",
    "ApiError",
    "Backoff",
    "Change",
    "Clock",
    "Conflict",
    "Forbidden",
    "Gone",
    "HostLease",
    "LeaderLease",
    "LeaderTimes",
    "LeaseObserver",
    "ListResult",
    "Manifest",
    "ManualClock",
    "NotFound",
    "Reflector",
    "ServerFault",
    "SystemClock",
    "Throttled",
    "Unauthorized",
    "Unprocessable",
    "Unreachable",
    "WatchEvent",
    "WorkQueue",
    "apply_if_changed",
    "key_of",
    "owned_fields",
    "split_key",
]
