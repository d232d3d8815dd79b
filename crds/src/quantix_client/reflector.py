"""Keeps a copy of a collection in memory: list, watch, list again when the watch cannot go on.

Used by hostd and the tests (the operator's copy is fed by kopf). Level-triggered consumers need only know
that a key changed; what a broken connection swallowed is found by comparing lists, deletions included.

```
           list ok                 watch ended / reset
  Listing ─────────► Watching ───────────────────────────► Probing ── version not older ──► Watching (resumed)
     ▲                  │ 410                                 │ version went back
     └──────────────────┴─────────────────────────────────────┘
```
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import structlog

from quantix_api.resources import Resource
from quantix_client.api import ApiClient, ListResult, Manifest
from quantix_client.clock import Clock, SystemClock
from quantix_client.errors import ApiError, Gone, Silent
from quantix_client.watching import WatchEvent

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]

_BACKOFF_S = (0.1, 5.0)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Change:
    """What became of one object. DELETED also means "left the selection"; it holds the last known state."""

    type: ChangeType
    key: str
    object: Manifest
    previous: Manifest | None = None


@dataclass
class ReflectorCounters:
    """For metrics: how often the copy had to be mended, and when it last heard from the server."""

    lists: int = 0
    watches: int = 0
    relists_after_gone: int = 0
    resets: int = 0
    """The store was dropped because the API's version went back: it was restored from a backup."""
    missed_deletions: int = 0
    errors: int = 0
    last_heard_s: float = field(default=0.0)
    """Monotonic time of the last answer or event; now minus this is the lag while nothing changes."""


class Reflector:
    """`store` holds the newest known state by key (`namespace/name`, or `name`); `on_change` hears of
    changes.

    `on_change` runs in the event loop, must be quick and must not raise (put the key into a queue).
    """

    def __init__(
        self,
        client: ApiClient,
        resource: Resource,
        *,
        namespace: str | None = None,
        field_selector: str = "",
        label_selector: str = "",
        on_change: Callable[[Change], None],
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._fields = field_selector
        self._labels = label_selector
        self._on_change = on_change
        self._clock = clock or SystemClock()
        self._version = ""
        self.store: dict[str, Manifest] = {}
        self.synced = asyncio.Event()
        self.counters = ReflectorCounters()

    async def run(self) -> None:
        """Until cancelled. Errors of the API are waited out and logged once per outage."""
        failures = 0
        while True:
            try:
                await self._follow()
                failures = 0
            except Silent:
                failures = 0
            except Gone:
                self.counters.relists_after_gone += 1
                self._version = ""
                failures += 1
            except ApiError as error:
                self.counters.errors += 1
                if failures == 0:
                    log.warning(
                        "watch broken", kind=self._resource.kind, reason=error.reason, error=error.message
                    )
                failures += 1
            await self._clock.sleep(_backoff_s(failures))

    async def _follow(self) -> None:
        if self._version:
            await self._probe()
        if not self._version:
            await self._relist()
        self.counters.watches += 1
        async for event in self._client.watch(
            self._resource,
            self._namespace,
            resource_version=self._version,
            label_selector=self._labels,
            field_selector=self._fields,
        ):
            self._take(event)

    async def _probe(self) -> None:
        """A restored API continues below the version that we know, and a resumed watch would stay silent."""
        latest = await self._client.latest_version(self._resource, self._namespace)
        self._heard()
        if _number(latest) < _number(self._version):
            log.warning(
                "resourceVersion went back, cache dropped",
                kind=self._resource.kind,
                was=self._version,
                now=latest,
            )
            self.counters.resets += 1
            self._version = ""

    async def _relist(self) -> None:
        listed = await self._client.list(
            self._resource, self._namespace, label_selector=self._labels, field_selector=self._fields
        )
        self._heard()
        self.counters.lists += 1
        self._replace(listed)
        self._version = listed.resource_version
        self.synced.set()

    def _replace(self, listed: ListResult) -> None:
        """Tell the differences between what we had and what is; equal uid and version is the same object."""
        fresh = {key_of(item): item for item in listed.items}
        for key in [key for key in self.store if key not in fresh]:
            self.counters.missed_deletions += 1
            self._remove(key, self.store[key])
        for key, item in fresh.items():
            if _identity(item) != _identity(self.store.get(key)):
                self._put(key, item)

    def _take(self, event: WatchEvent) -> None:
        self._heard()
        if event.resource_version:
            self._version = event.resource_version
        if event.type == "DELETED":
            self._remove(key_of(event.object), event.object)
        elif event.type in ("ADDED", "MODIFIED"):
            self._put(key_of(event.object), event.object)

    def _put(self, key: str, item: Manifest) -> None:
        previous = self.store.get(key)
        if previous is not None and previous["metadata"].get("uid") != item["metadata"].get("uid"):
            self._remove(key, previous)
            previous = None
        self.store[key] = item
        self._on_change(Change("ADDED" if previous is None else "MODIFIED", key, item, previous))

    def _remove(self, key: str, last: Manifest) -> None:
        previous = self.store.pop(key, None)
        if previous is not None:
            self._on_change(Change("DELETED", key, last, previous))

    def _heard(self) -> None:
        self.counters.last_heard_s = self._clock.monotonic()


def key_of(obj: Manifest) -> str:
    """`namespace/name`, or `name` of what is in no namespace."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def split_key(key: str) -> tuple[str | None, str]:
    """(namespace or None, name) of a key."""
    namespace, separator, name = key.rpartition("/")
    return (namespace if separator else None), name


def _identity(item: Manifest | None) -> tuple[str, str] | None:
    if item is None:
        return None
    return item["metadata"].get("uid", ""), item["metadata"].get("resourceVersion", "")


def _number(version: str) -> int:
    """Versions of one API server are ordered numbers (Kubernetes 1.35, "resourceVersion is comparable")."""
    return int(version) if version.isdigit() else 0


def _backoff_s(failures: int) -> float:
    first, cap = _BACKOFF_S
    return float(min(cap, first * 2 ** min(failures, 10)) * random.uniform(0.5, 1.0))
