"""A controller that decides on all objects of a kind at once: how often, and how it then acts on each.

Used by those of placement, migrations, snapshots, restores, maintenance and the balancer. Where each object
is acted on by itself (`Each`), what one meets (a server that takes no word of it, a bug) keeps no other
waiting, and is told of that object. `Retries` alone is for what is made anew (`migration.asking`).
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
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
API_IS_AWAY = (Throttled, Unauthorized, Unreachable)
"""What says nothing about the one object that was written."""
_FORGOTTEN_S = 600.0


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


class Retries:
    """When what failed is tried again, by the UID of the object: later after each failure in a row."""

    def __init__(self, clock: Clock, backoff: Backoff) -> None:
        self._clock, self._backoff = clock, backoff
        self._failed: dict[str, _Failed] = {}
        self._rng = random.Random()

    def left_s(self, uid: str) -> float:
        """Seconds until its time comes; 0: it may be tried."""
        failed = self._failed.get(uid)
        return max(0.0, failed.due_s - self._clock.monotonic()) if failed is not None else 0.0

    def failed(self, uid: str) -> float:
        """It failed once more; returns seconds until it is to be tried again."""
        now_s = self._clock.monotonic()
        self._failed = {key: one for key, one in self._failed.items() if one.due_s + _FORGOTTEN_S > now_s}
        times = self._failed[uid].times + 1 if uid in self._failed else 1
        delay_s = self._backoff.delay_s(times, self._rng)
        self._failed[uid] = _Failed(times, now_s + delay_s)
        return delay_s

    def forget(self, uid: str) -> None:
        """It went well, or there is nothing to do any more."""
        self._failed.pop(uid, None)

    def has_failed(self, uid: str) -> bool:
        """Whether it failed the last time, lately."""
        return uid in self._failed

    def keep(self, uids: Collection[str]) -> None:
        """Forget all others."""
        self._failed = {uid: failed for uid, failed in self._failed.items() if uid in uids}


class Each:
    """Acts on one object after the other. `controller`: the name under which errors are counted."""

    def __init__(self, context: Context, controller: str) -> None:
        self._context = context
        self._controller = controller
        self._retries = Retries(context.clock, Backoff())

    async def carry_out(
        self, decided: Iterable[Decided], carry_out: Callable[[Decided], Awaitable[None]]
    ) -> float | None:
        """All that was decided in a pass; returns seconds until the next, None where nothing is left to do.

        What failed is left alone until its time comes, later after each failure. Raises ApiError while the
        API takes nothing from anybody.
        """
        decided_on, again_s = set[str](), list[float]()
        for steps in decided:
            uid = steps.about.metadata.uid
            decided_on.add(uid)
            if left_s := self._retries.left_s(uid):
                again_s.append(left_s)
                continue
            try:
                await carry_out(steps)
            except (Conflict, NotFound) as error:
                log.info("somebody was faster", object=steps.about.key, error=error.message)
                self._retries.forget(uid)
                again_s.append(AGAIN_S)
            except API_IS_AWAY:
                raise
            except Exception as error:
                await self._tell(steps.about, error)
                again_s.append(self._retries.failed(uid))
            else:
                self._retries.forget(uid)
        self._retries.keep(decided_on)
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
