"""Who downloads next: no namespace, nor a few of one owner, hold a whole host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from quantix_hostd.transfer.turns import Limits, Turns


class Crowd:
    """Downloads that last until a test ends them."""

    def __init__(self) -> None:
        self.turns = Turns(Limits(16, 4))
        self.having: list[str] = []
        self._tasks: list[tuple[str, asyncio.Task[None]]] = []

    async def ask(self, namespace: str, times: int = 1) -> None:
        for _ in range(times):
            self._tasks.append((namespace, asyncio.create_task(self._download(namespace))))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _download(self, namespace: str) -> None:
        async with self.turns.turn(namespace):
            self.having.append(namespace)
            try:
                await asyncio.Event().wait()
            finally:
                self.having.remove(namespace)

    async def end(self, namespace: str, *, newest: bool = False) -> None:
        """End the oldest (or newest) download, or wait, of a namespace."""
        mine = [item for item in self._tasks if item[0] == namespace]
        item = mine[-1] if newest else mine[0]
        self._tasks.remove(item)
        item[1].cancel()
        await asyncio.wait({item[1]})
        await asyncio.sleep(0)

    async def end_all(self) -> None:
        for namespace, _ in list(self._tasks):
            await self.end(namespace)


@pytest.fixture
async def crowd() -> AsyncIterator[Crowd]:
    made = Crowd()
    yield made
    await made.end_all()
    assert made.having == []
    assert not made.turns.all_taken("anybody")


async def test_a_namespace_has_four_at_most(crowd: Crowd) -> None:
    await crowd.ask("a", 6)
    assert crowd.having == ["a"] * 4
    assert crowd.turns.all_taken("a")
    assert not crowd.turns.all_taken("b")


async def test_four_namespaces_of_one_owner_leave_turns_to_others(crowd: Crowd) -> None:
    for namespace in ("a", "b", "c", "d"):
        await crowd.ask(namespace, 8)
    assert len(crowd.having) < 16
    await crowd.ask("other", 2)
    assert crowd.having.count("other") >= 1


async def test_the_more_are_taken_the_fewer_one_namespace_gets(crowd: Crowd) -> None:
    for number in range(6):
        await crowd.ask(f"n{number}", 4)
    assert [crowd.having.count(f"n{number}") for number in range(6)] == [4, 4, 4, 2, 1, 1]


async def test_a_turn_that_comes_free_goes_to_who_has_none_before_who_waited_longer(crowd: Crowd) -> None:
    for number in range(6):
        await crowd.ask(f"n{number}", 4)
    assert len(crowd.having) == 16
    await crowd.ask("late")
    assert "late" not in crowd.having
    await crowd.end("n0")
    assert "late" in crowd.having


async def test_who_gives_up_waiting_takes_no_turn_along(crowd: Crowd) -> None:
    await crowd.ask("a", 5)
    await crowd.end("a", newest=True)
    await crowd.end("a")
    assert crowd.having == ["a"] * 3
    await crowd.ask("a", 1)
    assert crowd.having == ["a"] * 4
