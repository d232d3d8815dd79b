"""A bug made visible: an unexpected exception of a controller becomes the condition Ready=False,
InternalError.

Called by `dispatch` after a failed reconcile. Expected errors are the controllers' own business: they know
which condition explains them. An InvariantError is none of them.
"""

from __future__ import annotations

from quantix_api.conditions import INTERNAL_ERROR
from quantix_api.errors import InvariantError, QuantixError
from quantix_client.api import ApiClient
from quantix_operator.cache import Cache
from quantix_operator.dispatch import Controller
from quantix_operator.internal_error import show_internal_error
from quantix_operator.metrics import Metrics


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
            await show_internal_error(self._client, controller.resource, live, error)
