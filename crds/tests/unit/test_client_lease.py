"""Leases on clocks that tests turn: who leads, for how long, and when a leader must stop."""

from __future__ import annotations

import asyncio
import copy
from typing import Any, cast

import pytest

from quantix_client.api import ApiClient
from quantix_client.errors import AlreadyExists, Conflict, NotFound, Unreachable
from quantix_client.lease import LeaderLease, LeaseObserver
from quantix_lab.clocks import ManualClock


class LeaseStore:
    """The API as far as one Lease needs it; `away` makes every call fail."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.away = False

    async def get(self, _resource: object, _name: str, _namespace: str | None = None) -> dict[str, Any]:
        self._answer()
        if self.lease is None:
            raise NotFound("no lease")
        return copy.deepcopy(self.lease)

    async def create(self, _resource: object, obj: dict[str, Any]) -> dict[str, Any]:
        self._answer()
        if self.lease is not None:
            raise AlreadyExists("there")
        return self._store(obj)

    async def replace(self, _resource: object, obj: dict[str, Any]) -> dict[str, Any]:
        self._answer()
        if self.lease is None or obj["metadata"]["resourceVersion"] != str(self.version):
            raise Conflict("stale")
        return self._store(obj)

    def _store(self, obj: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        stored = copy.deepcopy(obj)
        stored["metadata"]["resourceVersion"] = str(self.version)
        self.lease = stored
        return copy.deepcopy(stored)

    def _answer(self) -> None:
        if self.away:
            raise Unreachable("away")


@pytest.fixture
def store() -> LeaseStore:
    return LeaseStore()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def candidate(store: LeaseStore, clock: ManualClock, identity: str) -> LeaderLease:
    return LeaderLease(cast("ApiClient", store), "boss", "system", identity, clock=clock)


async def test_the_first_leads_and_goes_on_as_long_as_it_renews(
    store: LeaseStore, clock: ManualClock
) -> None:
    leader = candidate(store, clock, "one")
    await leader.acquire()
    holding = asyncio.create_task(leader.hold())
    for _ in range(40):
        await clock.advance(1)
        assert leader.leading
    assert store.version > 20
    holding.cancel()


async def test_a_standby_takes_over_at_most_eight_seconds_after_the_leader_went_silent(
    store: LeaseStore, clock: ManualClock
) -> None:
    leader, standby = candidate(store, clock, "one"), candidate(store, clock, "two")
    await leader.acquire()
    holding = asyncio.create_task(leader.hold())
    waiting = asyncio.create_task(standby.acquire())
    await clock.advance(10.3)
    assert not waiting.done()
    holding.cancel()
    await clock.advance(4.4)
    assert not waiting.done()
    assert not standby.leading
    await clock.advance(3.6)
    assert waiting.done()
    assert standby.leading
    assert not leader.leading
    assert store.lease is not None
    assert store.lease["spec"]["leaseTransitions"] == 1


async def test_a_leader_that_cannot_renew_stops_before_another_may_start(
    store: LeaseStore, clock: ManualClock
) -> None:
    leader = candidate(store, clock, "one")
    await leader.acquire()
    holding = asyncio.create_task(leader.hold())
    await clock.settle()
    store.away = True
    await clock.advance(4.5)
    assert leader.leading
    await clock.advance(0.6)
    assert holding.done()
    assert leader.remaining_s == 0


async def test_a_leader_stays_one_while_the_api_takes_two_seconds_for_each_answer(
    store: LeaseStore, clock: ManualClock
) -> None:
    leader = candidate(store, clock, "one")
    await leader.acquire()
    holding = asyncio.create_task(leader.hold())
    answered = store.replace

    async def slowly(_resource: object, obj: dict[str, Any]) -> dict[str, Any]:
        await clock.sleep(2.4)
        return await answered(_resource, obj)

    store.replace = slowly  # type: ignore[method-assign]
    for _ in range(60):
        await clock.advance(0.5)
        assert leader.leading
    holding.cancel()


async def test_a_leader_whose_lease_another_holds_stops_at_its_next_renewal(
    store: LeaseStore, clock: ManualClock
) -> None:
    leader = candidate(store, clock, "one")
    await leader.acquire()
    holding = asyncio.create_task(leader.hold())
    await clock.settle()
    assert store.lease is not None
    await store.replace(None, {**store.lease, "spec": {**store.lease["spec"], "holderIdentity": "thief"}})
    await clock.advance(1.6)
    assert holding.done()
    assert not leader.leading


async def test_a_leader_whose_answer_was_lost_goes_on(store: LeaseStore, clock: ManualClock) -> None:
    leader = candidate(store, clock, "one")
    await leader.acquire()
    holding = asyncio.create_task(leader.hold())
    await clock.settle()
    assert store.lease is not None
    await store.replace(None, store.lease)
    await clock.advance(10)
    assert leader.leading
    holding.cancel()


async def test_a_lease_that_was_given_away_is_taken_at_the_next_look(
    store: LeaseStore, clock: ManualClock
) -> None:
    leader, standby = candidate(store, clock, "one"), candidate(store, clock, "two")
    await leader.acquire()
    waiting = asyncio.create_task(standby.acquire())
    await clock.settle()
    await leader.release()
    assert not leader.leading
    await clock.advance(1)
    assert waiting.done()


def test_only_what_is_seen_to_change_counts_as_life(clock: ManualClock) -> None:
    observer = LeaseObserver(clock)
    lease = {"spec": {"holderIdentity": "one", "renewTime": "2026-01-01T00:00:00Z"}}
    observer.observe(lease)
    assert (observer.silent_s(), observer.holder) == (0.0, "one")


async def test_the_same_content_seen_again_does_not_make_it_younger(clock: ManualClock) -> None:
    observer = LeaseObserver(clock)
    lease = {"spec": {"holderIdentity": "one", "renewTime": "2099-01-01T00:00:00Z"}}
    observer.observe(lease)
    await clock.advance(5)
    observer.observe(copy.deepcopy(lease))
    assert observer.silent_s() == 5.0
    lease["spec"]["renewTime"] = "1999-01-01T00:00:00Z"
    observer.observe(lease)
    assert observer.silent_s() == 0.0
