"""The Kubernetes client side that all components share: verbs, watches, queues, leases, server-side apply.

A module is loaded when the first of its names is asked for: `qx`, which has to be quick, pays only for what
it uses.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_PLACES = {
    "api": (
        "ApiClient",
        "ListResult",
        "Manifest",
    ),
    "apply": (
        "apply_if_changed",
        "owned_fields",
    ),
    "clock": (
        "Clock",
        "ManualClock",
        "SystemClock",
    ),
    "errors": (
        "AlreadyExists",
        "ApiError",
        "Conflict",
        "Forbidden",
        "Gone",
        "NotFound",
        "ServerFault",
        "Throttled",
        "Unauthorized",
        "Unprocessable",
        "Unreachable",
    ),
    "lease": (
        "HostLease",
        "LeaderLease",
        "LeaderTimes",
        "LeaseObserver",
    ),
    "reflector": (
        "Change",
        "Reflector",
        "key_of",
        "split_key",
    ),
    "watching": ("WatchEvent",),
    "workqueue": (
        "Backoff",
        "WorkQueue",
    ),
}

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


def __getattr__(name: str) -> object:
    """The exported object of that name (PEP 562)."""
    for module, names in _PLACES.items():
        if name in names:
            found: object = getattr(importlib.import_module(f"{__name__}.{module}"), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
