"""A controller that decides on all objects of a kind at once: how often, and how it then acts on each.

Used by those of placement, migrations, snapshots, restores, maintenance and the balancer. Where each object
is acted on by itself (`Each`), what one meets (a server that takes no word of it, a bug) keeps no other
waiting, and is told of that object.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from quantix_api import ApiObject
from quantix_api.conditions import INTERNAL_ERROR
from quantix_api.errors import QuantixError, TransientError
from quantix_api.resources import Resource
from quantix_client.api import Manifest
from quantix_client.clock import Clock, rest_s
from quantix_client.errors import ApiError, Conflict, NotFound, Throttled, Unauthorized, Unreachable
from quantix_client.workqueue import Backoff
from quantix_operator.cache import Cache, Indexer
from quantix_operator.context import Context
from quantix_operator.dispatch import Mapper
from quantix_operator.indexers import UNFINISHED
from quantix_operator.internal_error import show_internal_error

log = structlog.get_logger(__name__)

AGAIN_S = 0.05
"""Until what was decided on something that has changed meanwhile is decided anew."""
_API_IS_AWAY = (Throttled, Unauthorized, Unreachable)
_BACKOFF = Backoff()


class Pace:
    """Keeps passes apart: they take at most `share` (0 to 1) of the process' time, and rest for `least_s`
    between two at least, so that many changes at once are few passes. The rest of the time carries out.
    """

    def __init__(self, clock: Clock, share: float, least_s: float = 0.0) -> None:
        self._clock, self._share, self._least_s = clock, share, least_s
        self._due_s = 0.0

    async def rest(self) -> None:
        """Return when the next pass may begin."""
        await self._clock.sleep(max(0.0, self._due_s - self._clock.monotonic()))

    @contextmanager
    def working(self) -> Iterator[None]:
        """What is done inside counts."""
        began_s = self._clock.monotonic()
        yield
        ended_s = self._clock.monotonic()
        self._due_s = ended_s + max(self._least_s, rest_s(ended_s - began_s, self._share))


class Steps(Protocol):
    """What was decided about one object."""

    @property
    def about(self) -> ApiObject: ...


Decided = TypeVar("Decided", bound=Steps)


@dataclass(frozen=True)
class _Failed:
    """How often in a row, and from when on it is tried again."""

    times: int
    due_s: float


class Each:
    """Acts on one object after the other. `controller`: the name under which errors are counted."""

    def __init__(self, context: Context, controller: str) -> None:
        self._context = context
        self._controller = controller
        self._failed: dict[str, _Failed] = {}
        self._rng = random.Random()

    async def carry_out(
        self, decided: Iterable[Decided], carry_out: Callable[[Decided], Awaitable[None]]
    ) -> float | None:
        """All that was decided in a pass; returns seconds until the next, None where nothing is left to do.

        What failed is left alone until its time comes, later after each failure. Raises ApiError while the
        API takes nothing from anybody.
        """
        failed, again_s = dict[str, _Failed](), list[float]()
        for steps in decided:
            uid = steps.about.metadata.uid
            before = self._failed.get(uid, _Failed(0, 0.0))
            left_s = before.due_s - self._context.clock.monotonic()
            if left_s > 0:
                failed[uid] = before
                again_s.append(left_s)
                continue
            try:
                await carry_out(steps)
            except (Conflict, NotFound) as error:
                log.info("somebody was faster", object=steps.about.key, error=error.message)
                again_s.append(AGAIN_S)
            except _API_IS_AWAY:
                raise
            except Exception as error:
                await self._tell(steps.about, error)
                delay_s = _BACKOFF.delay_s(before.times + 1, self._rng)
                failed[uid] = _Failed(before.times + 1, self._context.clock.monotonic() + delay_s)
                again_s.append(delay_s)
        self._failed = failed
        return min(again_s, default=None)

    async def _tell(self, about: ApiObject, error: Exception) -> None:
        reason = error.reason if isinstance(error, QuantixError) else INTERNAL_ERROR
        self._context.metrics.reconcile_errors.labels(self._controller, reason).inc()
        bug = None if isinstance(error, QuantixError) else error
        kind = type(about).__name__
        log.error("object failed", kind=kind, object=about.key, reason=reason, error=str(error), exc_info=bug)
        resource = about.DEFINITION.resource
        live = self._context.cache.get(resource, about.key)
        if isinstance(error, TransientError) or live is None:
            return
        try:
            await show_internal_error(self._context.api, resource, live, error)
        except ApiError as second:
            log.warning("error could not be reported", object=about.key, error=second.message)


def one_key(key: str) -> Mapper:
    """A mapper for what concerns the pass in any case."""

    def mapper(_obj: Manifest, _cache: Cache) -> Iterable[str]:
        return (key,)

    return mapper


def while_unfinished(resource: Resource, indexer: Indexer, key: str) -> Mapper:
    """A mapper for what changes all the time: it concerns the pass only while `indexer` finds an UNFINISHED
    object of the kind.
    """

    def mapper(_obj: Manifest, cache: Cache) -> Iterable[str]:
        return (key,) if cache.by(resource, indexer, UNFINISHED) else ()

    return mapper


def while_said(member: str, key: str) -> Mapper:
    """A mapper for what concerns the pass as long as its status has this member."""

    def mapper(obj: Manifest, _cache: Cache) -> Iterable[str]:
        return (key,) if (obj.get("status") or {}).get(member) else ()

    return mapper
