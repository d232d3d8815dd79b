"""Events: what the API takes, repeated ones as a series, none that blocks or fails the caller."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from quantix_client.api import ApiClient
from quantix_client.errors import NotFound, Unreachable
from quantix_client.events import EventRecorder, Note, render_event
from quantix_lab.clocks import ManualClock

VM = {
    "apiVersion": "quantix.io/v1alpha1",
    "kind": "VirtualMachine",
    "metadata": {"name": "web-1", "namespace": "default", "uid": "u1", "resourceVersion": "7"},
}


class EventApi:
    """Keeps created events and patches of them."""

    def __init__(self) -> None:
        self.created: list[dict[str, Any]] = []
        self.patches: list[dict[str, Any]] = []
        self.gone = False
        self.away = False

    async def create(self, _resource: object, obj: dict[str, Any]) -> dict[str, Any]:
        if self.away:
            raise Unreachable("away")
        self.created.append(obj)
        return obj

    async def patch(
        self, _resource: object, name: str, patch: dict[str, Any], namespace: str
    ) -> dict[str, Any]:
        if self.gone:
            raise NotFound("expired")
        assert (name, namespace) == (self.created[-1]["metadata"]["name"], "default")
        self.patches.append(patch)
        return patch


class Recording:
    def __init__(self) -> None:
        self.api = EventApi()
        self.clock = ManualClock()
        self.recorder = EventRecorder(cast("ApiClient", self.api), "op-1", clock=self.clock)
        self.task = asyncio.create_task(self.recorder.run())

    async def record(self, reason: str = "Started", **options: Any) -> None:
        self.recorder.record(VM, reason, "The guest runs.", **options)
        await self.recorder.flush()


@pytest.fixture
async def recording() -> Any:
    recording = Recording()
    yield recording
    recording.task.cancel()


def note(**fields: Any) -> Note:
    known = {
        "regarding": VM,
        "reason": "Started",
        "text": "The guest runs.",
        "type": "Normal",
        "action": "Start",
        "reporter": "operator",
    }
    return Note(**{**known, **fields})


def test_an_event_is_rendered_as_the_api_wants_it() -> None:
    moment = datetime(2026, 11, 24, 1, 2, 3, 456, tzinfo=UTC)
    assert render_event(note(), "op-1", moment, "ab12") == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "web-1.ab12", "namespace": "default"},
        "eventTime": "2026-11-24T01:02:03.000456Z",
        "reportingController": "quantix.io/operator",
        "reportingInstance": "op-1",
        "action": "Start",
        "reason": "Started",
        "regarding": {
            "apiVersion": "quantix.io/v1alpha1",
            "kind": "VirtualMachine",
            "namespace": "default",
            "name": "web-1",
            "uid": "u1",
            "resourceVersion": "7",
        },
        "note": "The guest runs.",
        "type": "Normal",
    }


def test_what_is_too_long_is_cut_and_what_has_no_namespace_goes_into_default() -> None:
    host = {"apiVersion": "v1", "kind": "Host", "metadata": {"name": "h" * 253}}
    event = render_event(note(regarding=host, text="ä" * 1000), "i" * 200, datetime.now(UTC), "ab12")
    assert event["metadata"]["namespace"] == "default"
    assert len(event["metadata"]["name"]) <= 253
    assert len(event["note"].encode()) <= 1024
    assert len(event["reportingInstance"]) == 128


async def test_the_same_again_counts_in_the_first_and_is_not_written_each_time(recording: Recording) -> None:
    for _ in range(10):
        await recording.record()
    assert len(recording.api.created) == 1
    assert [patch["series"]["count"] for patch in recording.api.patches] == [2]
    await recording.clock.advance(31)
    await recording.record()
    assert [patch["series"]["count"] for patch in recording.api.patches] == [2, 11]


async def test_another_reason_or_reporter_or_a_long_pause_is_a_new_event(recording: Recording) -> None:
    await recording.record()
    await recording.record("Stopped")
    await recording.record(reporter="scheduler")
    await recording.clock.advance(601)
    await recording.record()
    assert len(recording.api.created) == 4
    assert recording.api.created[2]["reportingController"] == "quantix.io/scheduler"


async def test_what_two_users_did_is_told_of_both(recording: Recording) -> None:
    for actor in ("alice", "bob", "alice"):
        await recording.record("ConsoleOpened", actor=actor)
    assert len(recording.api.created) == 2


async def test_a_series_whose_event_expired_starts_anew(recording: Recording) -> None:
    await recording.record()
    recording.api.gone = True
    await recording.record()
    assert len(recording.api.created) == 2


async def test_an_api_that_is_away_costs_events_and_nothing_else(recording: Recording) -> None:
    recording.api.away = True
    await recording.record()
    assert recording.recorder.dropped == 1
    recording.api.away = False
    await recording.record()
    assert len(recording.api.created) == 1


async def test_when_too_many_wait_the_oldest_are_dropped() -> None:
    api = EventApi()
    recorder = EventRecorder(cast("ApiClient", api), "op-1")
    for number in range(1001):
        recorder.record(VM, f"Reason{number}", "text")
    assert recorder.dropped == 1
    task = asyncio.create_task(recorder.run())
    await recorder.flush()
    task.cancel()
    assert api.created[0]["reason"] == "Reason1"
