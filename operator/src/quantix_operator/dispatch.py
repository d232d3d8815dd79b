"""From "something changed" to "look at these keys": one work queue a controller.

Called by `service` once this process leads. Each controller says which resources concern it and which of its
keys a change touches; everything else (de-duplication, backoff, concurrency, what an error means) is the same
for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

import structlog

from quantix_api.resources import Resource
from quantix_client.api import Manifest
from quantix_client.clock import Clock
from quantix_client.reflector import Change, key_of
from quantix_client.workqueue import WorkQueue
from quantix_operator.cache import Cache
from quantix_operator.metrics import Metrics

log = structlog.get_logger(__name__)

Mapper = Callable[[Manifest, Cache], Iterable[str]]


@dataclass(frozen=True)
class OnChangeOf:
    """A mapper that is asked only when `part` of an object changed, or when the object came or went.

    For mappers that name many keys, of objects that change often in what does not concern those.
    """

    part: Callable[[Manifest], Any]
    mapper: Mapper

    def __call__(self, obj: Manifest, cache: Cache) -> Iterable[str]:
        return self.mapper(obj, cache)

    def concerns(self, change: Change) -> bool:
        """Whether anything of it changed that the mapper's keys depend on."""
        if change.type != "MODIFIED" or change.previous is None:
            return True
        return bool(self.part(change.previous) != self.part(change.object))


class Controller(Protocol):
    """What a controller package exports. `watches` maps a changed object to keys of this controller.

    Mappers run in the event loop for the old and the new state of a changed object; they must be quick, pure
    and must cope with half-filled objects. `reconcile` returns seconds until the next look, or None; see
    `WorkQueue.run` for what its exceptions mean. Several keys are worked on at once, one key never twice.
    """

    name: str
    watches: Mapping[Resource, Mapper]
    concurrency: int
    resource: Resource | None
    """The kind whose objects `key` names, if there is one: where an InternalError is shown."""

    async def reconcile(self, key: str) -> float | None: ...


@dataclass(frozen=True)
class Several:
    """Mappers of one kind, each asked for itself."""

    mappers: tuple[Mapper, ...]

    def __call__(self, obj: Manifest, cache: Cache) -> Iterable[str]:
        for mapper in self.mappers:
            yield from mapper(obj, cache)


@runtime_checkable
class Attached(Protocol):
    """A controller that hears of changes from outside the API too, and puts the keys into queues itself."""

    def attach(self, queues: Mapping[str, WorkQueue]) -> None:
        """Called once, before anything runs, with every controller's queue by the controller's name."""
        ...


Report = Callable[[Controller, str, Exception], Awaitable[None]]


def own_key(obj: Manifest, _cache: Cache) -> Iterable[str]:
    """The mapper of the kind that a controller is about: the object's own key."""
    return (key_of(obj),)


class Dispatcher:
    """Runs controllers until cancelled: everything there is once, then what changes."""

    def __init__(
        self,
        cache: Cache,
        controllers: Sequence[Controller],
        metrics: Metrics,
        *,
        report: Report,
        clock: Clock | None = None,
    ) -> None:
        self._cache = cache
        self._controllers = tuple(controllers)
        self._metrics = metrics
        self._report = report
        self.queues = {item.name: WorkQueue(item.name, clock=clock) for item in self._controllers}
        for name, queue in self.queues.items():
            metrics.watch_queue(name, queue)
        for item in self._controllers:
            if isinstance(item, Attached):
                item.attach(self.queues)

    async def run(self) -> None:
        """Queue every object of the cache, then follow it. Call when the cache is synced and this process
        leads.
        """
        async with asyncio.TaskGroup() as group:
            for controller in self._controllers:
                queue = self.queues[controller.name]
                for resource, mapper in controller.watches.items():
                    self._follow(resource, mapper, queue)
                group.create_task(
                    queue.run(
                        controller.reconcile,
                        controller.concurrency,
                        on_error=partial(self._report, controller),
                        on_attempt=self._metrics.reconciles.observer(controller.name),
                    ),
                    name=controller.name,
                )

    def _follow(self, resource: Resource, mapper: Mapper, queue: WorkQueue) -> None:
        if isinstance(mapper, Several):
            for one in mapper.mappers:
                self._follow(resource, one, queue)
            return

        def changed(change: Change) -> None:
            if isinstance(mapper, OnChangeOf) and not mapper.concerns(change):
                return
            for state in (change.previous, change.object):
                for key in self._keys(mapper, state, queue.name):
                    queue.add(key)

        for item in self._cache.list(resource):
            for key in self._keys(mapper, item, queue.name):
                queue.add(key)
        self._cache.subscribe(resource, changed)

    def _keys(self, mapper: Mapper, state: Manifest | None, controller: str) -> tuple[str, ...]:
        """A mapper that fails on one strange object must not stop the news of all others."""
        if state is None:
            return ()
        try:
            return tuple(mapper(state, self._cache))
        except Exception:
            self._metrics.mapper_errors.labels(controller).inc()
            log.exception("change could not be mapped", controller=controller, object=key_of(state))
            return ()
