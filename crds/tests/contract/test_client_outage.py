"""The client while the control plane is killed, restarted and restored from an older copy."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quantix_api.resources import CONFIG_MAPS
from quantix_client.api import ApiClient
from quantix_client.errors import Unreachable
from quantix_client.lease import HostLease, LeaderLease
from quantix_client.reflector import Change, Reflector
from quantix_client.workqueue import Backoff, WorkQueue
from quantix_lab.control_plane import ControlPlane
from quantix_lab.waiting import eventually_async

NAMESPACE = "default"


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[ControlPlane]:
    plane = ControlPlane(tmp_path / "controlplane")
    await asyncio.to_thread(plane.start)
    yield plane
    await asyncio.to_thread(plane.stop)


@pytest.fixture
async def client(plane: ControlPlane) -> AsyncIterator[ApiClient]:
    async with ApiClient.from_kubeconfig(plane.admin_kubeconfig, user_agent="test", timeout_s=5) as client:
        yield client


async def put(client: ApiClient, name: str, value: str) -> None:
    await client.apply(
        CONFIG_MAPS,
        {"metadata": {"name": name, "namespace": NAMESPACE}, "data": {"x": value}},
        manager="test",
    )


class Copier:
    """A controller: makes `copy-of-NAME` of every ConfigMap `vm-*` that it sees."""

    def __init__(self, client: ApiClient) -> None:
        self.client = client
        self.queue = WorkQueue("test", backoff=Backoff(first_s=0.1, cap_s=0.5))
        self.changes: list[Change] = []
        self.reflector = Reflector(client, CONFIG_MAPS, namespace=NAMESPACE, on_change=self.changed)

    def changed(self, change: Change) -> None:
        self.changes.append(change)
        if change.object["metadata"]["name"].startswith("vm-"):
            self.queue.add(change.object["metadata"]["name"])

    async def work(self, name: str) -> None:
        """Fails as long as the API is away."""
        live = self.reflector.store[f"{NAMESPACE}/{name}"]
        await put(self.client, f"copy-of-{name}", live["data"]["x"])

    def copied(self, name: str) -> str:
        copy = self.reflector.store.get(f"{NAMESPACE}/copy-of-{name}")
        return copy["data"]["x"] if copy else ""


async def test_reflector_queue_and_leases_go_on_after_the_api_server_was_killed(
    plane: ControlPlane, client: ApiClient
) -> None:
    copier = Copier(client)
    leader = LeaderLease(client, "boss", NAMESPACE, "one")
    await leader.acquire()
    beat = HostLease(client, "h1", "boot-1", namespace=NAMESPACE, period_s=0.5)

    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(copier.reflector.run()),
            group.create_task(copier.queue.run(copier.work, 2)),
            group.create_task(beat.run(lambda: True)),
        ]
        holding = group.create_task(leader.hold())
        await put(client, "vm-1", "before")
        await eventually_async("the copy of vm-1", lambda: copier.copied("vm-1") == "before")

        await asyncio.to_thread(plane.kill9)
        copier.queue.add("vm-1")
        with pytest.raises(Unreachable):
            await put(client, "vm-1", "lost")
        await eventually_async("a failure of vm-1", lambda: copier.queue.failures("vm-1") > 0)
        # A leader that cannot renew gives up before its lease can be another's
        async with asyncio.timeout(6):
            await holding
        assert not leader.leading

        await asyncio.to_thread(plane.start)
        await put(client, "vm-1", "after")
        await put(client, "vm-2", "new")
        right = ("after", "new")
        await eventually_async(
            "the copies to be right", lambda: (copier.copied("vm-1"), copier.copied("vm-2")) == right
        )
        await eventually_async("vm-1 to succeed", lambda: copier.queue.failures("vm-1") == 0)
        second = LeaderLease(client, "boss", NAMESPACE, "two")
        began = time.monotonic()
        await second.acquire()
        assert time.monotonic() - began < 8
        for task in tasks:
            task.cancel()
    versions = [int(change.object["metadata"]["resourceVersion"]) for change in copier.changes]
    assert len(versions) == len(set(versions))
    assert copier.reflector.counters.errors > 0
    assert copier.reflector.counters.resets == 0


async def test_what_was_deleted_while_the_reflector_was_cut_off_is_told(
    plane: ControlPlane, client: ApiClient
) -> None:
    """The API goes back to an older copy of its data: only a comparison of lists can tell."""
    changes: list[tuple[str, str]] = []
    reflector = Reflector(
        client,
        CONFIG_MAPS,
        namespace=NAMESPACE,
        on_change=lambda change: changes.append((change.type, change.key)),
    )
    await put(client, "kept", "old")
    await asyncio.to_thread(plane.stop)
    saved = plane.root / "saved"
    await asyncio.to_thread(shutil.copytree, plane.data_dir, saved)
    await asyncio.to_thread(plane.start)
    task = asyncio.create_task(reflector.run())
    async with asyncio.timeout(10):
        await reflector.synced.wait()
    await put(client, "kept", "new")
    for number in range(100):
        await put(client, "made-later", str(number))
    await eventually_async("the news", lambda: changes[-1] == ("MODIFIED", "default/made-later"))

    await asyncio.to_thread(plane.kill9)
    await asyncio.to_thread(shutil.rmtree, plane.data_dir)
    await asyncio.to_thread(saved.rename, plane.data_dir)
    await asyncio.to_thread(plane.start)
    await eventually_async("a reset", lambda: reflector.counters.resets == 1)
    await eventually_async("the deletion", lambda: "default/made-later" not in reflector.store)
    assert reflector.store["default/kept"]["data"] == {"x": "old"}
    assert ("DELETED", "default/made-later") in changes
    assert reflector.counters.missed_deletions >= 1
    assert not task.done()
    task.cancel()
