"""The full lists that keep kopf honest: the first fills the cache, later ones find what a watch did not tell.

Run by `service` in every process, leading or not. A watch can silently end and a deletion during an outage is
never delivered (measured on kopf 1.45); level-triggered control needs the truth from time to time.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

import structlog

from quantix_api.errors import InvariantError, TransientError
from quantix_api.resources import Resource
from quantix_client.api import ApiClient
from quantix_client.clock import Clock
from quantix_client.errors import ApiError
from quantix_operator.cache import Cache
from quantix_operator.metrics import Metrics

log = structlog.get_logger(__name__)

# News that is on its way through kopf arrives within this time; only what is missing afterwards was missed
_GRACE_S = 2.0
_FIRST_RETRY_S = 1.0
_DISCOVERY_RETRY_S = 0.2


class Resync:
    """`fill` once, then `run` until cancelled."""

    def __init__(
        self, client: ApiClient, cache: Cache, metrics: Metrics, *, period_s: float, clock: Clock
    ) -> None:
        self._client = client
        self._cache = cache
        self._metrics = metrics
        self._period_s = period_s
        self._clock = clock

    async def fill(self) -> None:
        """List every resource into the cache; waits for an API that is away and for kinds not yet
        declared.
        """
        for resource in self._cache.resources:
            said = ""
            while reason := await self._fill_one(resource):
                if reason != said:
                    log.info("waiting for the API", resource=resource.plural, reason=reason)
                said = reason
                await self._clock.sleep(_FIRST_RETRY_S)

    async def await_discovery(self, resources: Iterable[Resource]) -> None:
        """Wait until the API's discovery names these kinds: a moment after they can be listed.

        kopf asks discovery once, and never watches what it did not find there.
        """
        wanted = tuple(resources)
        said: list[str] = []
        while missing := await self._undiscovered(wanted):
            if missing != said:
                log.info("waiting for discovery", missing=missing)
            said = missing
            await self._clock.sleep(_DISCOVERY_RETRY_S)

    async def run(self) -> None:
        """Compare for ever. Raises InvariantError (APIRestored) when versions went back, and TransientError
        (WatchDead) when a watch told nothing twice in a row.
        """
        missed_before: set[Resource] = set()
        while True:
            await self._clock.sleep(self._period_s * random.uniform(0.8, 1.2))
            for resource in self._cache.resources:
                try:
                    missed = await self.compare(resource)
                except ApiError as error:
                    log.warning("resync failed", resource=resource.plural, reason=error.reason)
                    continue
                if missed and resource in missed_before:
                    raise TransientError(
                        "WatchDead", f"The watch of {resource.plural} tells nothing any more"
                    )
                missed_before = missed_before | {resource} if missed else missed_before - {resource}

    async def compare(self, resource: Resource) -> int:
        """Adopt what the watch of one resource missed; returns how much that was."""
        known_version = self._cache.newest_version(resource)
        listed = await self._client.list(resource)
        if int(listed.resource_version or 0) < known_version:
            raise InvariantError(
                "APIRestored",
                f"The API went back from {known_version} to {listed.resource_version}: it was restored",
            )
        differences = self._cache.differences(resource, listed)
        if not differences:
            return 0
        await self._clock.sleep(_GRACE_S)
        missed = self._cache.adopt(differences)
        if missed:
            log.warning("watch missed changes", resource=resource.plural, count=missed)
            self._metrics.missed_changes.labels(resource.plural).inc(missed)
        return missed

    async def _undiscovered(self, resources: tuple[Resource, ...]) -> list[str]:
        groups = {resource.group for resource in resources if resource.group}
        try:
            listed = await self._client.request("GET", "/apis")
            missing = groups - {group["name"] for group in listed.get("groups") or []}
            if missing:
                return sorted(missing)
            found: set[tuple[str, str]] = set()
            for api in sorted({resource.api_version for resource in resources}):
                answer = await self._client.request("GET", f"/apis/{api}" if "/" in api else f"/api/{api}")
                found |= {(api, item["name"]) for item in answer.get("resources") or []}
        except ApiError as error:
            return [error.reason]
        return [item.plural for item in resources if (item.api_version, item.plural) not in found]

    async def _fill_one(self, resource: Resource) -> str:
        """Why it could not be listed, or ""."""
        try:
            listed = await self._client.list(resource)
        except ApiError as error:
            return error.reason
        self._cache.adopt(self._cache.differences(resource, listed))
        self._cache.mark_listed(resource)
        return ""
