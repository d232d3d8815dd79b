"""The Leases of hosts, by our own reflector: at hundreds a second kopf would be too dear (architecture.md).

Run by `main` in every process, leading or not, so that a change of leader does not restart detection.
"""

from __future__ import annotations

from quantix_api.resources import LEASES, NAMESPACE_HOSTS
from quantix_client.api import ApiClient
from quantix_client.clock import Clock
from quantix_client.reflector import Change, Reflector
from quantix_operator.cache import Cache


class Heartbeats:
    """Follows the Leases of quantix-hosts into the cache."""

    def __init__(self, client: ApiClient, cache: Cache, clock: Clock) -> None:
        self._cache = cache
        self._reflector = Reflector(
            client, LEASES, namespace=NAMESPACE_HOSTS, on_change=self._take, clock=clock
        )

    async def run(self) -> None:
        """Until cancelled."""
        await self._reflector.run()

    def _take(self, change: Change) -> None:
        if change.type == "DELETED":
            self._cache.remove(LEASES, change.object)
        else:
            self._cache.put(LEASES, change.object)
