"""How hostd says what it found: one server-side apply of an object's status, and when to look again.

Called by the controllers of every kind, which derive the status. All fields of hostd are those of one manager
(api.md, section 5).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import structlog

from quantix_api.conditions import INTERNAL_ERROR, condition_in
from quantix_api.errors import PermanentError, QuantixError, WaitingError
from quantix_api.facts import fact, render_conditions, subject_in, with_kstatus
from quantix_api.message_table_phrases import STATUS_REFUSED
from quantix_api.resources import MANAGER_HOSTD, Resource
from quantix_client.api import ApiClient, Manifest
from quantix_client.apply import apply_if_changed
from quantix_client.errors import NotFound, Unprocessable
from quantix_hostd.clients.files import explained

_SAID_LENGTH = 200
# Whether there is anything, and where
_VITAL = frozenset(
    {"observedGeneration", "phase", "host", "hostUID", "bootID", "data", "handle", "pool", "capacity"}
)
_VITAL_OF_RUNTIME = frozenset({"observedEpoch", "claimEpoch", "handledRestartAt", "domain"})
_OPEN_DISKS = "disks"

log = structlog.get_logger(__name__)


async def report(
    api: ApiClient, resource: Resource, manifest: Manifest, status: dict[str, Any]
) -> Manifest | None:
    """Make `status` all that hostd says of the object. What was written; None when it stands there already,
    or the object is gone. Raises ApiError.

    A status that the API server refuses is a bug, of which the object says InternalError; what can be said is
    said all the same: all but lists, or else what its life goes on by (`_VITAL`), so that it can be deleted.
    """
    try:
        written = await apply_if_changed(api, resource, manifest, {"status": status}, manager=MANAGER_HOSTD)
    except NotFound:
        return None
    except Unprocessable as refused:
        log.error("status refused", kind=resource.kind, name=manifest["metadata"]["name"], error=str(refused))
        status, written = await _report_less(api, resource, manifest, status, str(refused))
    if written is not None:
        reason = condition_in(status)["reason"]
        metadata = manifest["metadata"]
        log.info(
            "status reported",
            kind=resource.kind,
            namespace=metadata.get("namespace"),
            name=metadata["name"],
            uid=metadata["uid"],
            phase=status["phase"],
            reason=reason,
        )
    return written


async def _report_less(
    api: ApiClient, resource: Resource, manifest: Manifest, status: dict[str, Any], said: str
) -> tuple[dict[str, Any], Manifest | None]:
    """Say what is left of a refused status, Ready telling what the API server `said`. Raises ApiError."""
    ready = fact("Ready", "False", INTERNAL_ERROR, said=STATUS_REFUSED.format(why=said[:_SAID_LENGTH]))
    conditions = render_conditions(with_kstatus(ready), subject_in(resource, manifest), datetime.now(UTC))
    less = {**_without_lists(status), "conditions": conditions}
    try:
        return less, await apply_if_changed(api, resource, manifest, {"status": less}, manager=MANAGER_HOSTD)
    except Unprocessable:
        least = {**_vital(status), "conditions": conditions}
        return least, await apply_if_changed(
            api, resource, manifest, {"status": least}, manager=MANAGER_HOSTD
        )


def _without_lists(status: dict[str, Any]) -> dict[str, Any]:
    """Most of what can be refused is a list too long; what QEMU has open is told as long as it can be."""
    kept = {
        name: value for name, value in status.items() if not isinstance(value, list) or name == _OPEN_DISKS
    }
    return {name: _without_lists(value) if isinstance(value, dict) else value for name, value in kept.items()}


def _vital(status: dict[str, Any]) -> dict[str, Any]:
    vital = {name: value for name, value in status.items() if name in _VITAL}
    if "runtime" in status:
        runtime = status["runtime"]
        vital["runtime"] = {name: value for name, value in runtime.items() if name in _VITAL_OF_RUNTIME}
    return vital


def in_words(trouble: QuantixError | OSError, what: str) -> QuantixError:
    """What came up while work was done on `what`, such as "the data of volume x", as one can be told it."""
    return explained(trouble, what) if isinstance(trouble, OSError) else trouble


def next_look_s(error: QuantixError | None, otherwise_s: float) -> float:
    """Seconds until the next look at an object whose `error`, if there was one, is reported.

    What may go by itself, and what is a bug, is raised for the queue's backoff.
    """
    if isinstance(error, WaitingError):
        return error.retry_after_s
    if error is not None and not isinstance(error, PermanentError):
        raise error
    return otherwise_s
