"""Changes become keys of controllers; a controller's failure is its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import generate_latest

from quantix_api.errors import TransientError
from quantix_api.resources import HOSTS, VIRTUAL_MACHINES, Resource
from quantix_lab.clocks import ManualClock
from quantix_operator.cache import Cache
from quantix_operator.dispatch import Controller, Dispatcher, Mapper, OnChangeOf, Several, own_key
from quantix_operator.metrics import Metrics


def obj(name: str, version: int, **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": name, "resourceVersion": str(version)}, **fields}


def host_of(vm: dict[str, Any], _cache: Cache) -> Iterable[str]:
    return (vm["host"],)


class Hosts:
    """Looks at a host when it changes or a VM on it does."""

    name = "hosts"
    concurrency = 2
    resource: Resource | None = HOSTS
    watches: Mapping[Resource, Mapper] = {HOSTS: own_key, VIRTUAL_MACHINES: host_of}

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.error: Exception | None = None

    async def reconcile(self, key: str) -> float | None:
        self.seen.append(key)
        if self.error is not None:
            raise self.error
        return None


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.cache = Cache((HOSTS, VIRTUAL_MACHINES))
        self.controller = Hosts()
        self.metrics = Metrics()
        self.reported: list[tuple[str, str, str]] = []

    async def report(self, controller: Controller, key: str, error: Exception) -> None:
        self.reported.append((controller.name, key, str(error)))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        dispatcher = Dispatcher(
            self.cache, (self.controller,), self.metrics, report=self.report, clock=self.clock
        )
        task = asyncio.create_task(dispatcher.run())
        await self.clock.settle()
        yield
        task.cancel()
        await asyncio.wait({task})


async def test_everything_there_is_looked_at_once_at_the_start() -> None:
    world = World()
    world.cache.put(HOSTS, obj("h1", 1))
    world.cache.put(VIRTUAL_MACHINES, obj("a", 2, host="h1"))
    world.cache.put(VIRTUAL_MACHINES, obj("b", 3, host="h2"))
    async with world.running():
        assert sorted(world.controller.seen) == ["h1", "h2"]


async def test_a_change_concerns_what_the_object_was_and_what_it_is() -> None:
    world = World()
    async with world.running():
        world.cache.put(VIRTUAL_MACHINES, obj("a", 2, host="h1"))
        await world.clock.settle()
        world.cache.put(VIRTUAL_MACHINES, obj("a", 3, host="h2"))
        await world.clock.settle()
        world.cache.remove(VIRTUAL_MACHINES, obj("a", 4, host="h2"))
        await world.clock.settle()
        assert world.controller.seen == ["h1", "h1", "h2", "h2"]


async def test_of_several_mappers_each_hears_what_concerns_it(monkeypatch: pytest.MonkeyPatch) -> None:
    named = Several((lambda vm, _: (vm["metadata"]["name"],), OnChangeOf(lambda vm: vm["host"], host_of)))
    monkeypatch.setattr(Hosts, "watches", {VIRTUAL_MACHINES: named})
    world = World()
    async with world.running():
        for version, host in enumerate(("h1", "h1", "h2"), start=2):
            world.cache.put(VIRTUAL_MACHINES, obj("a", version, host=host))
            await world.clock.settle()
        assert world.controller.seen == ["a", "h1", "a", "a", "h1", "h2"]


async def test_a_strange_object_does_not_stop_the_news_of_others() -> None:
    world = World()
    async with world.running():
        world.cache.put(VIRTUAL_MACHINES, obj("strange", 2))
        world.cache.put(VIRTUAL_MACHINES, obj("a", 3, host="h1"))
        await world.clock.settle()
        assert world.controller.seen == ["h1"]
    assert b'quantix_operator_mapper_errors_total{controller="hosts"} 1.0' in generate_latest(
        world.metrics.registry
    )


async def test_a_failure_is_reported_and_tried_again() -> None:
    world = World()
    world.controller.error = TransientError("Broken", "it broke")
    async with world.running():
        world.cache.put(HOSTS, obj("h1", 1))
        await world.clock.advance(0.15)
        assert world.controller.seen == ["h1", "h1"]
        assert world.reported == [("hosts", "h1", "it broke")] * 2
        world.controller.error = None
        await world.clock.advance(60)
        assert len(world.controller.seen) == 3


async def test_nothing_is_looked_at_after_the_end() -> None:
    world = World()
    async with world.running():
        pass
    world.cache.put(HOSTS, obj("h1", 1))
    await world.clock.advance(5)
    assert world.controller.seen == []


async def test_looks_are_counted_by_how_they_ended() -> None:
    world = World()
    world.cache.put(HOSTS, obj("h1", 1))
    async with world.running():
        labels = {"controller": "hosts", "result": "success"}
        assert world.metrics.registry.get_sample_value("quantix_operator_reconciles_total", labels) == 1
