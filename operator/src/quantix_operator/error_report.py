"""A bug made visible: an unexpected exception of a controller becomes the condition Ready=False,
InternalError.

Called by `dispatch` after a failed reconcile. Expected errors are the controllers' own business: they know
which condition explains them. An InvariantError is none of them.
"""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from quantix_api.conditions import INTERNAL_ERROR, condition_in, condition_of
from quantix_api.errors import InvariantError, QuantixError
from quantix_api.facts import fact, render_conditions, subject_in
from quantix_api.resources import MANAGER_OPERATOR, Resource
from quantix_client.api import ApiClient, Manifest
from quantix_client.apply import apply_if_changed, owned_fields
from quantix_operator.cache import Cache
from quantix_operator.dispatch import Controller
from quantix_operator.metrics import Metrics

log = structlog.get_logger(__name__)


class ErrorReport:
    """`await report(controller, key, error)`: counts every error, and shows those that nobody foresaw."""

    def __init__(self, client: ApiClient, cache: Cache, metrics: Metrics) -> None:
        self._client = client
        self._cache = cache
        self._metrics = metrics

    async def __call__(self, controller: Controller, key: str, error: Exception) -> None:
        """Raises ApiError when the condition cannot be written; the queue logs that."""
        reason = error.reason if isinstance(error, QuantixError) else INTERNAL_ERROR
        self._metrics.reconcile_errors.labels(controller.name, reason).inc()
        foreseen = isinstance(error, QuantixError) and not isinstance(error, InvariantError)
        if foreseen or controller.resource is None:
            return
        live = self._cache.get(controller.resource, key)
        if live is not None:
            await self._show(controller.resource, live, error)

    async def _show(self, resource: Resource, live: Manifest, error: Exception) -> None:
        fields = with_internal_error(resource, live, error, datetime.now(UTC))
        if fields is not None:
            await apply_if_changed(self._client, resource, live, fields, manager=MANAGER_OPERATOR)


def with_internal_error(
    resource: Resource, live: Manifest, error: Exception, now: datetime
) -> Manifest | None:
    """What the operator owns of the status, with Ready replaced; None when Ready is another manager's to say.

    The rest of what is owned goes along: an apply removes what it leaves out.
    """
    status = owned_fields(live, MANAGER_OPERATOR, "status").get("status") or {}
    conditions = list(status.get("conditions") or [])
    present = condition_of(live)
    if not condition_in(status) and present and present.get("reason") != "Pending":
        return None
    # its type alone: what a foreign exception says may hold what is nobody's business here
    failed = fact("Ready", "False", INTERNAL_ERROR, said=type(error).__name__)
    ready = render_conditions([failed], subject_in(resource, live), now)
    others = [item for item in conditions if item.get("type") != "Ready"]
    return {"status": {**status, "conditions": [*others, *ready]}}
