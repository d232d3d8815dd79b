"""The reflector's copy stays true through ended watches, forgotten versions and restored APIs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quantix_api.resources import VIRTUAL_MACHINES
from quantix_client.api import ApiClient
from quantix_client.reflector import Change, Reflector, key_of, split_key
from quantix_lab.fake_api import FakeApi, answering


class Followed:
    """A running reflector and what it told."""

    def __init__(self, api: FakeApi, client: ApiClient) -> None:
        self.api = api
        self.told: asyncio.Queue[Change] = asyncio.Queue()
        self.reflector = Reflector(client, VIRTUAL_MACHINES, on_change=self.told.put_nowait)

    async def next(self) -> tuple[str, str]:
        async with asyncio.timeout(5):
            change = await self.told.get()
        return change.type, change.key

    async def rewatched(self) -> None:
        """End the watch and wait for the next one."""
        before = len(self.api.watched_from)
        await self.api.end_watches()
        async with asyncio.timeout(5):
            await self.api.wait_for_watch()
        assert len(self.api.watched_from) > before


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    fake = FakeApi()
    async with fake.server:
        yield fake


@pytest.fixture
async def followed(api: FakeApi, tmp_path: Path) -> AsyncIterator[Followed]:
    api.put("a", spec={"n": 1})
    path = api.write_kubeconfig(tmp_path / "config")
    async with ApiClient.from_kubeconfig(path, user_agent="test") as client:
        followed = Followed(api, client)
        task = asyncio.create_task(followed.reflector.run())
        async with asyncio.timeout(5):
            await followed.reflector.synced.wait()
        await api.wait_for_watch()
        assert await followed.next() == ("ADDED", "default/a")
        yield followed
        assert not task.done()
        task.cancel()
        await api.end_watches()


async def test_it_lists_then_watches_from_the_lists_version(followed: Followed) -> None:
    assert followed.api.watched_from == ["101"]
    await followed.api.tell("MODIFIED", followed.api.put("a"))
    assert await followed.next() == ("MODIFIED", "default/a")
    await followed.api.tell("DELETED", followed.api.drop("a"))
    assert await followed.next() == ("DELETED", "default/a")
    assert followed.reflector.store == {}


async def test_an_ended_watch_goes_on_where_it_was_without_a_list(followed: Followed) -> None:
    followed.api.version = 150
    await followed.api.tell("BOOKMARK", {"metadata": {"resourceVersion": "150"}})
    await followed.api.tell("ADDED", followed.api.put("b"))
    assert await followed.next() == ("ADDED", "default/b")
    await followed.rewatched()
    assert followed.api.watched_from == ["101", "151"]
    assert followed.api.full_lists == 1
    assert followed.told.empty()


async def test_after_a_forgotten_version_the_differences_are_told_deletions_included(
    followed: Followed,
) -> None:
    followed.api.put("b")
    await followed.api.tell("ADDED", followed.api.objects["b"])
    assert await followed.next() == ("ADDED", "default/b")
    followed.api.drop("a")
    followed.api.put("b")
    followed.api.put("c")
    followed.api.refuse_versions_below = followed.api.version
    await followed.api.end_watches()
    told = {await followed.next() for _ in range(3)}
    assert told == {("DELETED", "default/a"), ("MODIFIED", "default/b"), ("ADDED", "default/c")}
    assert followed.reflector.counters.relists_after_gone == 1
    assert followed.reflector.counters.missed_deletions == 1


async def test_an_unchanged_object_is_not_told_again_after_a_list(followed: Followed) -> None:
    followed.api.version += 10
    followed.api.refuse_versions_below = followed.api.version
    await followed.rewatched()
    while followed.api.full_lists < 2:
        await followed.rewatched()
    assert followed.told.empty()


async def test_a_namesake_is_told_as_one_gone_and_one_come(followed: Followed) -> None:
    await followed.api.tell("MODIFIED", followed.api.put("a", uid="another"))
    assert await followed.next() == ("DELETED", "default/a")
    assert await followed.next() == ("ADDED", "default/a")


async def test_an_api_whose_version_went_back_makes_it_start_anew(followed: Followed) -> None:
    """A resumed watch would stay silent until the old version is reached again."""
    followed.api.version = 50
    followed.api.objects.clear()
    followed.api.put("old")
    await followed.api.end_watches()
    told = {await followed.next() for _ in range(2)}
    assert told == {("DELETED", "default/a"), ("ADDED", "default/old")}
    assert followed.reflector.counters.resets == 1
    await followed.api.wait_for_watch()
    assert followed.api.watched_from[-1] == "51"


async def test_errors_are_waited_out(followed: Followed) -> None:
    followed.api.script = [answering(500, "InternalError")] * 2
    await followed.rewatched()
    followed.api.put("b")
    await followed.api.tell("ADDED", followed.api.objects["b"])
    assert await followed.next() == ("ADDED", "default/b")
    assert followed.reflector.counters.errors == 2


def test_a_key_is_the_name_with_its_namespace_if_it_has_one() -> None:
    assert key_of({"metadata": {"name": "a", "namespace": "n"}}) == "n/a"
    assert key_of({"metadata": {"name": "a"}}) == "a"
    assert split_key("n/a") == ("n", "a")
    assert split_key("a") == (None, "a")
