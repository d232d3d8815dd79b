"""Which keys a change in the API concerns, what is read by name, and when hostd counts as hanging."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from quantix_api.errors import TransientError
from quantix_api.resources import (
    HOSTS,
    IMAGES,
    NETWORKS,
    STORAGE_POOLS,
    VIRTUAL_MACHINES,
    VOLUMES,
    Resource,
)
from quantix_client.errors import NotFound
from quantix_client.reflector import Change
from quantix_client.workqueue import AttemptHook
from quantix_hostd.dispatch import HANG_S, Dispatcher
from quantix_hostd.host.pulse import Pulse
from quantix_hostd.watches import NamedObjects


def vm(name: str, *disks: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
        "spec": {"disks": list(disks)},
    }


def volume(name: str, image: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"source": {"image": image}}}


def untold(_kind: str) -> AttemptHook:
    return lambda _result, _seconds: None


class Seen:
    """Collects what the workers get."""

    def __init__(self, stores: dict[Resource, dict[str, Any]]) -> None:
        self.keys: list[tuple[str, str]] = []
        self.dispatcher = Dispatcher("h1", lambda: stores)
        for resource in (HOSTS, IMAGES, VOLUMES, VIRTUAL_MACHINES):
            self.dispatcher.register(resource, self.worker(resource), concurrency=1)
        self.dispatcher.vm_keys(
            lambda resource, change: (change.key,) if resource == VIRTUAL_MACHINES else ()
        )

    def worker(self, resource: Resource) -> Any:
        async def work(key: str) -> None:
            self.keys.append((resource.plural, key))

        return work

    async def after(self, resource: Resource, change: Change) -> set[tuple[str, str]]:
        self.dispatcher.on_change(resource, change)
        running = asyncio.create_task(self.dispatcher.run(untold))
        await asyncio.sleep(0.05)
        running.cancel()
        await asyncio.wait({running})
        return set(self.keys)


@pytest.mark.parametrize(
    ("resource", "manifest", "expected"),
    [
        (NETWORKS, {"metadata": {"name": "n"}}, {("hosts", "h1")}),
        (HOSTS, {"metadata": {"name": "h1"}}, {("hosts", "h1")}),
        (VOLUMES, volume("v", "i"), {("volumes", "k")}),
        (IMAGES, {"metadata": {"name": "tiny"}}, {("images", "k")}),
        (
            VIRTUAL_MACHINES,
            vm("web-1", {"name": "root", "image": "shared/tiny"}, {"name": "data", "volume": "db"}),
            {("virtualmachines", "k"), ("volumes", "default/web-1-root"), ("volumes", "default/db")},
        ),
    ],
)
async def test_a_change_wakes_whom_it_concerns(
    resource: Resource, manifest: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    seen = Seen({VOLUMES: {}, IMAGES: {}})
    assert await seen.after(resource, Change("MODIFIED", "k", manifest)) == expected


async def test_an_image_wakes_the_volumes_that_are_made_from_it() -> None:
    stores: dict[Resource, dict[str, Any]] = {
        VOLUMES: {"default/a": volume("a", "shared/tiny"), "default/b": volume("b", "other")},
        IMAGES: {},
    }
    found = await Seen(stores).after(IMAGES, Change("MODIFIED", "quantix-shared/tiny", {}))
    assert found == {("images", "quantix-shared/tiny"), ("volumes", "default/a")}


async def test_a_pool_wakes_all_that_may_lie_in_it() -> None:
    stores: dict[Resource, dict[str, Any]] = {
        VOLUMES: {"default/a": volume("a", "i")},
        IMAGES: {"default/i": {}},
    }
    found = await Seen(stores).after(STORAGE_POOLS, Change("ADDED", "local", {}))
    assert found == {("hosts", "h1"), ("volumes", "default/a"), ("images", "default/i")}


async def test_only_when_every_worker_is_stuck_for_long_a_kind_hangs() -> None:
    dispatcher = Dispatcher("h1", dict)
    forever = asyncio.Event()

    async def work(key: str) -> None:
        if key != "quick":
            await forever.wait()

    dispatcher.register(VIRTUAL_MACHINES, work, concurrency=2, guarded=True)
    running = asyncio.create_task(dispatcher.run(untold))
    for key in ("quick", "a", "b"):
        dispatcher.add(VIRTUAL_MACHINES, key)
    await asyncio.sleep(0.05)
    lane = dispatcher.lanes[VIRTUAL_MACHINES]
    assert (set(lane.since), dispatcher.hanging()) == ({"a", "b"}, False)
    lane.since["a"] -= HANG_S + 1
    assert not dispatcher.hanging()
    lane.since["b"] -= HANG_S + 1
    assert dispatcher.hanging()
    forever.set()
    await asyncio.sleep(0.05)
    assert not dispatcher.hanging()
    running.cancel()
    await asyncio.wait({running})


async def test_a_libvirt_that_is_away_is_no_hang_but_one_that_never_answers_is() -> None:
    now = [0.0]
    answers = asyncio.Event()

    async def ask() -> None:
        await answers.wait()
        raise TransientError("LibvirtDown", "the connection is closed")

    turns: list[float] = []
    pulse = Pulse(ask, lambda: False, lambda: turns.append(now[0]), hang_s=20.0, now=lambda: now[0])
    running = asyncio.create_task(pulse.run())
    await asyncio.sleep(0.01)
    now[0] = 19.0
    assert pulse.alive()
    now[0] = 21.0
    assert not pulse.alive()
    answers.set()
    await asyncio.sleep(0.01)
    assert pulse.alive()
    assert turns == [21.0]
    running.cancel()
    await asyncio.wait({running})


async def test_a_vm_that_left_wakes_the_host_which_may_have_a_guest_of_it() -> None:
    gone = vm("web-1")
    assert ("hosts", "h1") in await Seen({}).after(VIRTUAL_MACHINES, Change("DELETED", "k", gone, gone))


class OneObject:
    """The API with one Volume that may be there or not."""

    def __init__(self) -> None:
        self.found: dict[str, Any] | None = None

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> dict[str, Any]:
        if self.found is None:
            raise NotFound(f"{namespace}/{name}")
        return self.found


async def test_what_no_selection_delivers_is_read_by_name_as_long_as_it_is_needed() -> None:
    api = OneObject()
    wanted = [(VOLUMES, "default/v")]
    heard: list[tuple[str, str]] = []

    def needed() -> Iterator[tuple[Resource, str]]:
        yield from wanted

    def listen(_: Resource, change: Change) -> None:
        heard.append((change.type, change.key))

    named = NamedObjects(api, needed, listen)
    running = asyncio.create_task(named.run())

    async def look() -> None:
        named.wake()
        await asyncio.sleep(0.02)

    await look()
    assert heard == []
    api.found = {"metadata": {"resourceVersion": "1"}}
    await look()
    await look()
    assert heard == [("ADDED", "default/v")]
    api.found = {"metadata": {"resourceVersion": "2"}}
    await look()
    assert heard[1:] == [("MODIFIED", "default/v")]
    wanted.clear()
    await look()
    assert dict(named.stores[VOLUMES]) == {}
    running.cancel()
    await asyncio.wait({running})
