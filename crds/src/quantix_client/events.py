"""Events of events.k8s.io/v1: what a user sees under `kubectl describe`.

Called by the controllers of operator and hostd, on transitions only. Recording never blocks and never fails
the caller: events are posted in the background, repeated ones become a series, and when the API is away the
oldest are dropped and counted.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import structlog

from quantix_api.resources import EVENTS
from quantix_api.times import render_micro_time
from quantix_client.api import ApiClient, Manifest
from quantix_client.clock import Clock, SystemClock
from quantix_client.errors import ApiError, NotFound

log = structlog.get_logger(__name__)

Reporter = Literal["operator", "scheduler", "hostd"]
EventType = Literal["Normal", "Warning"]

# Bounds of the API (k8s.io/kubernetes pkg/apis/core/validation/events.go, v1.37)
_NOTE_BYTES = 1024
_SERIES_S = 600.0
_SERIES_WRITE_S = 30.0
_SERIES_KEPT = 1000
_QUEUE = 1000


@dataclass(frozen=True)
class Note:
    """One event as a controller says it. `action` is what was done or tried, as a CamelCase verb; `actor` who
    did it, where the text names somebody.
    """

    regarding: Manifest
    reason: str
    text: str
    type: EventType
    action: str
    reporter: Reporter
    actor: str = ""

    @property
    def series_key(self) -> tuple[str, ...]:
        """Events that differ only in their text and time are one series; what another did is another."""
        about = self.regarding["metadata"].get("uid") or self.regarding["metadata"]["name"]
        return (self.reporter, self.type, self.reason, self.action, self.actor, about)


@dataclass
class _Series:
    name: str
    namespace: str
    count: int
    last_s: float
    written_s: float


class EventRecorder:
    """`record` anywhere in the event loop; `run` posts until cancelled."""

    def __init__(self, client: ApiClient, instance: str, *, clock: Clock | None = None) -> None:
        self._client = client
        self._instance = instance
        self._clock = clock or SystemClock()
        self._queue: asyncio.Queue[Note] = asyncio.Queue(_QUEUE)
        self._series: OrderedDict[tuple[str, ...], _Series] = OrderedDict()
        self.dropped = 0

    def record(
        self,
        regarding: Manifest,
        reason: str,
        text: str,
        *,
        type: EventType = "Normal",
        action: str = "",
        reporter: Reporter = "operator",
        actor: str = "",
    ) -> None:
        """Tell that something happened to the object `regarding` (with apiVersion and kind)."""
        if self._queue.full():
            self._queue.get_nowait()
            self._queue.task_done()
            self.dropped += 1
        self._queue.put_nowait(Note(regarding, reason, text, type, action or reason, reporter, actor))

    async def run(self) -> None:
        """Post what was recorded, in order. An event that cannot be posted is dropped, logged and counted."""
        while True:
            note = await self._queue.get()
            try:
                await self._post(note)
            except ApiError as error:
                self.dropped += 1
                log.warning("event not posted", reason=note.reason, error=error.message)
            finally:
                self._queue.task_done()

    async def flush(self) -> None:
        """Wait until everything recorded so far was posted or dropped (while `run` runs)."""
        await self._queue.join()

    async def _post(self, note: Note) -> None:
        now_s = self._clock.monotonic()
        series = self._series.get(note.series_key)
        if series is not None and now_s - series.last_s < _SERIES_S and await self._repeat(series, now_s):
            return
        event = render_event(note, self._instance, datetime.now(UTC), os.urandom(8).hex())
        await self._client.create(EVENTS, event)
        metadata = event["metadata"]
        self._series[note.series_key] = _Series(metadata["name"], metadata["namespace"], 1, now_s, now_s)
        self._series.move_to_end(note.series_key)
        if len(self._series) > _SERIES_KEPT:
            self._series.popitem(last=False)

    async def _repeat(self, series: _Series, now_s: float) -> bool:
        """Count one more; False when the event is no longer there, so that a new one is due."""
        series.count += 1
        series.last_s = now_s
        if series.count > 2 and now_s - series.written_s < _SERIES_WRITE_S:
            return True
        patch = {"series": {"count": series.count, "lastObservedTime": render_micro_time(datetime.now(UTC))}}
        try:
            await self._client.patch(EVENTS, series.name, patch, series.namespace)
        except NotFound:
            return False
        series.written_s = now_s
        return True


def render_event(note: Note, instance: str, now: datetime, unique: str) -> Manifest:
    """The Event object; what is too long is cut, since the API would refuse it."""
    regarding = note.regarding
    known = regarding["metadata"]
    reference = {name: regarding.get(name) for name in ("apiVersion", "kind")} | {"name": known["name"]}
    reference |= {name: known[name] for name in ("namespace", "uid", "resourceVersion") if known.get(name)}
    # A name is at most 253 characters, and events of what has no namespace belong into `default`
    name = f"{known['name'][:230].rstrip('.-')}.{unique}"
    return {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {"name": name, "namespace": known.get("namespace") or "default"},
        "eventTime": render_micro_time(now),
        "reportingController": f"quantix.io/{note.reporter}",
        "reportingInstance": instance[:128],
        "action": note.action[:128],
        "reason": note.reason[:128],
        "regarding": {member: value for member, value in reference.items() if value},
        "note": note.text.encode()[:_NOTE_BYTES].decode("utf-8", "ignore"),
        "type": note.type,
    }
