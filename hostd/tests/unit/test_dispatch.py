"""Which keys a change in the API concerns, what is read by name, and when hostd counts as hanging."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from quantix_api import VirtualMachine, Volume
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
from quantix_hostd.clients.patience import PatientThreads
from quantix_hostd.dispatch import HANG_S, Dispatcher
from quantix_hostd.host.pulse import Pulse
from quantix_hostd.volume.wanted import needed_objects
from quantix_hostd.watches import NamedObjects
from quantix_lab.clocks import ManualClock


def vm(name: str, *disks: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
        "spec": {"disks": list(disks)},
    }


def volume(name: str, image: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"source": {"image": image}}}


def volumes(manifests: dict[str, Any]) -> dict[str, Volume]:
    return {key: Volume.model_validate(manifest) for key, manifest in manifests.items()}


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


async def test_a_volume_wakes_those_that_are_made_from_it_and_no_other_tenants() -> None:
    def clone(namespace: str, source: str) -> dict[str, Any]:
        return {"metadata": {"namespace": namespace}, "spec": {"source": {"volume": source}}}

    volumes = {"a/one": clone("a", "base"), "a/two": clone("a", "other"), "b/one": clone("b", "base")}
    found = await Seen({VOLUMES: volumes, IMAGES: {}}).after(VOLUMES, Change("MODIFIED", "a/base", {}))
    assert found == {("volumes", "a/base"), ("volumes", "a/one")}


@pytest.mark.parametrize(
    ("before", "after", "woken"),
    [("Stopping", "Stopped", True), ("Stopped", "Stopped", False), ("Starting", "Running", False)],
)
async def test_a_vm_that_lets_go_of_its_volumes_wakes_their_clones(
    before: str, after: str, woken: bool
) -> None:
    clone = {"metadata": {"namespace": "default"}, "spec": {"source": {"volume": "web-1-root"}}}
    machine = vm("web-1", {"name": "root", "image": "shared/tiny"})
    change = Change(
        "MODIFIED",
        "default/web-1",
        machine | {"status": {"phase": after}},
        machine | {"status": {"phase": before}},
    )
    found = await Seen({VOLUMES: {"default/copy": clone}, IMAGES: {}}).after(VIRTUAL_MACHINES, change)
    assert (("volumes", "default/copy") in found) is woken


async def test_a_volume_wakes_the_one_that_it_is_made_from_once_that_is_deleted() -> None:
    going = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}}
    stays: dict[str, Any] = {"metadata": {}, "spec": {}}
    stores: dict[Resource, dict[str, Any]] = {VOLUMES: {"a/going": going, "a/stays": stays}, IMAGES: {}}

    async def woken_by(source: str) -> set[tuple[str, str]]:
        clone = {"metadata": {"namespace": "a"}, "spec": {"source": {"volume": source}}}
        woken = await Seen(stores).after(VOLUMES, Change("MODIFIED", "a/copy", clone))
        return woken - {("volumes", "a/copy")}

    assert await woken_by("going") == {("volumes", "a/going")}
    assert await woken_by("stays") == set()
    assert await woken_by("gone") == set()


async def test_a_pool_wakes_all_that_may_lie_in_it() -> None:
    stores: dict[Resource, dict[str, Any]] = {
        VOLUMES: {"default/a": volume("a", "i")},
        IMAGES: {"default/i": {}},
    }
    found = await Seen(stores).after(STORAGE_POOLS, Change("ADDED", "local", {}))
    assert found == {("hosts", "h1"), ("volumes", "default/a"), ("images", "default/i")}


@pytest.mark.parametrize(
    ("resource", "before", "after", "looked_at"),
    [
        (STORAGE_POOLS, {"allocated": "1Gi"}, {"allocated": "2Gi"}, False),
        (STORAGE_POOLS, {"capacity": "1Gi"}, {"capacity": "2Gi"}, True),
        (HOSTS, {"allocated": {"cpus": 1}, "virtualMachines": 1}, {"allocated": {"cpus": 2}}, False),
        (HOSTS, {}, {"hostLeg": {"ipv4": "10.0.0.1"}}, True),
        (HOSTS, {}, {"conditions": [{"type": "Ready", "reason": "Unreachable"}]}, True),
    ],
)
async def test_how_much_is_promised_in_a_pool_or_on_a_host_is_no_reason_to_look(
    resource: Resource, before: dict[str, Any], after: dict[str, Any], looked_at: bool
) -> None:
    states = [{"metadata": {"name": "k", "generation": 1}, "status": status} for status in (after, before)]
    found = await Seen({VOLUMES: {}, IMAGES: {}}).after(resource, Change("MODIFIED", "k", *states))
    assert (("hosts", "h1") in found) is looked_at


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


async def test_asks_of_pools_that_are_slow_one_after_the_other_are_no_hang() -> None:
    dispatcher, threads = Dispatcher("h1", dict), PatientThreads()
    answers, forever = [threading.Event() for _ in range(3)], asyncio.Event()

    async def work(_key: str) -> None:
        for answer in answers:
            await threads.ask("far", answer.wait)
        await forever.wait()

    dispatcher.register(VIRTUAL_MACHINES, work, concurrency=1, guarded=True)
    lane = dispatcher.lanes[VIRTUAL_MACHINES]
    lane.clock = clock = ManualClock(0.0)
    running = asyncio.create_task(dispatcher.run(untold))
    dispatcher.add(VIRTUAL_MACHINES, "a")
    for answer in answers:
        await asyncio.sleep(0.05)
        await clock.advance(9)
        answer.set()
        assert not dispatcher.hanging()
    await asyncio.sleep(0.05)
    await clock.advance(HANG_S + 1)
    assert dispatcher.hanging(), "without an ask it hangs as before"
    running.cancel()
    await asyncio.wait({running})


async def test_a_libvirt_that_is_away_is_no_hang_but_one_that_never_answers_is() -> None:
    clock = ManualClock(0.0)
    answers = asyncio.Event()

    async def ask() -> None:
        await answers.wait()
        raise TransientError("LibvirtDown", "the connection is closed")

    turns: list[float] = []
    pulse = Pulse(ask, lambda: False, lambda: turns.append(clock.monotonic()), hang_s=20.0, clock=clock)
    running = asyncio.create_task(pulse.run())
    await asyncio.sleep(0.01)
    await clock.advance(19)
    assert pulse.alive()
    await clock.advance(2)
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
        self.reads = 0

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> dict[str, Any]:
        self.reads += 1
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

    named = NamedObjects(api, needed, listen, look_s=0.005)
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


async def test_many_changes_are_one_read_of_what_is_known_by_name() -> None:
    api = OneObject()
    api.found = {"metadata": {"resourceVersion": "1"}}
    named = NamedObjects(api, lambda: iter([(VOLUMES, "default/v")]), lambda _resource, _change: None)
    running = asyncio.create_task(named.run())
    for _ in range(5):
        named.wake()
        await asyncio.sleep(0.01)
    assert api.reads == 1
    running.cancel()
    await asyncio.wait({running})


def test_a_host_needs_what_its_volumes_are_made_from_until_they_have_data() -> None:
    clone = {
        "metadata": {"name": "copy", "namespace": "a", "uid": "u"},
        "spec": {"source": {"volume": "base"}},
        "status": {"host": "h1"},
    }
    made = {**clone, "status": {"host": "h1", "data": "Present"}}
    machine = vm("web-1", {"name": "root", "image": "shared/tiny"})
    read = {"default/web-1-root": volume("web-1-root", "shared/tiny")}

    def needed(own: dict[str, Any]) -> set[tuple[str, str]]:
        found = needed_objects([VirtualMachine.model_validate(machine)], volumes(read), volumes(own))
        return {(resource.plural, key) for resource, key in found}

    of_the_vm = {("volumes", "default/web-1-root"), ("images", "quantix-shared/tiny")}
    assert needed({"a/copy": clone}) == of_the_vm | {("volumes", "a/base")}
    assert needed({"a/copy": made}) == of_the_vm
