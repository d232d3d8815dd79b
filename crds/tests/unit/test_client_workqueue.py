"""The work queue: each key once, never twice at a time, failures later and later."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_api.errors import PermanentError, TransientError, WaitingError
from quantix_client.workqueue import Backoff, ErrorHook, WorkQueue
from quantix_lab.clocks import ManualClock

Work = Callable[[str], Awaitable[float | None]]


@asynccontextmanager
async def running(
    queue: WorkQueue, work: Work, concurrency: int = 1, on_error: ErrorHook | None = None
) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.run(work, concurrency, on_error=on_error))
    try:
        yield
    finally:
        queue.stop()
        async with asyncio.timeout(5):
            await task


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def queue_with(clock: ManualClock, **backoff: float) -> WorkQueue:
    return WorkQueue("test", backoff=Backoff(**{"jitter": 0.0, **backoff}), clock=clock)


async def test_a_key_added_many_times_while_waiting_is_worked_on_once(clock: ManualClock) -> None:
    seen: list[str] = []

    async def work(key: str) -> None:
        seen.append(key)

    queue = queue_with(clock)
    for key in ("a", "b", "a", "c", "a"):
        queue.add(key)
    async with running(queue, work):
        await clock.settle()
    assert seen == ["a", "b", "c"]


async def test_a_key_added_while_it_is_worked_on_runs_again_after_and_never_at_the_same_time(
    clock: ManualClock,
) -> None:
    release = asyncio.Event()
    running_now = 0
    most = 0
    runs = 0

    async def work(key: str) -> None:
        nonlocal running_now, most, runs
        running_now += 1
        most = max(most, running_now)
        runs += 1
        await release.wait()
        running_now -= 1

    queue = queue_with(clock)
    async with running(queue, work, concurrency=4):
        queue.add("a")
        await clock.settle()
        queue.add("a")
        queue.add("a")
        await clock.settle()
        assert queue.active == {"a"}
        release.set()
        await clock.settle()
    assert (runs, most) == (2, 1)


async def test_a_slow_key_does_not_hold_up_others_when_there_are_workers(clock: ManualClock) -> None:
    never = asyncio.Event()
    seen: list[str] = []

    async def work(key: str) -> None:
        seen.append(key)
        if key == "slow":
            await never.wait()

    queue = queue_with(clock)
    async with running(queue, work, concurrency=2):
        for key in ("slow", "b", "c"):
            queue.add(key)
        await clock.settle()
        assert seen == ["slow", "b", "c"]
        never.set()


async def test_a_failing_key_waits_twice_as_long_each_time_up_to_the_cap_and_starts_anew_after_success(
    clock: ManualClock,
) -> None:
    at: list[float] = []
    fail = True

    async def work(key: str) -> None:
        at.append(clock.monotonic())
        if fail:
            raise TransientError("Broken", "it broke")

    queue = queue_with(clock, first_s=1.0, cap_s=4.0)
    async with running(queue, work):
        queue.add("a")
        await clock.advance(12)
        assert [b - a for a, b in itertools.pairwise(at)] == [1.0, 2.0, 4.0, 4.0]
        assert queue.failures("a") == 5
        fail = False
        await clock.advance(4)
        assert queue.failures("a") == 0


async def test_an_unexpected_exception_is_told_and_retried(clock: ManualClock) -> None:
    told: list[tuple[str, str]] = []
    runs = 0

    async def work(key: str) -> None:
        nonlocal runs
        runs += 1
        raise KeyError("bug")

    async def tell(key: str, error: Exception) -> None:
        told.append((key, type(error).__name__))
        raise RuntimeError("telling fails too")

    queue = queue_with(clock, first_s=1.0)
    async with running(queue, work, on_error=tell):
        queue.add("a")
        await clock.advance(1)
    assert (runs, told) == (2, [("a", "KeyError")] * 2)


@pytest.mark.parametrize(
    ("error", "again_after_s", "is_told"),
    [
        (WaitingError("Pending", "wait", retry_after_s=7.0), 7.0, False),
        (PermanentError("Refused", "no"), 30.0, True),
        (TransientError("Broken", "it broke"), 1.0, True),
    ],
)
async def test_each_class_of_error_has_its_own_wait(
    clock: ManualClock, error: Exception, again_after_s: float, is_told: bool
) -> None:
    at: list[float] = []
    told: list[Exception] = []

    async def work(key: str) -> None:
        at.append(clock.monotonic())
        raise error

    async def tell(key: str, error: Exception) -> None:
        told.append(error)

    queue = queue_with(clock, first_s=1.0, cap_s=30.0)
    async with running(queue, work, on_error=tell):
        queue.add("a")
        await clock.advance(again_after_s)
    assert [moment - at[0] for moment in at] == [0.0, again_after_s]
    assert bool(told) is is_told


async def test_the_sooner_of_two_times_counts_and_an_immediate_add_drops_the_later_one(
    clock: ManualClock,
) -> None:
    at: list[float] = []
    start = clock.monotonic()

    async def work(key: str) -> None:
        at.append(clock.monotonic() - start)

    queue = queue_with(clock)
    async with running(queue, work):
        queue.add_after("a", 10)
        queue.add_after("a", 3)
        queue.add_after("a", 20)
        await clock.advance(5)
        queue.add_after("a", 10)
        queue.add("a")
        await clock.advance(60)
    assert at == [3.0, 5.0]


async def test_what_a_worker_returns_is_when_it_looks_again(clock: ManualClock) -> None:
    at: list[float] = []
    start = clock.monotonic()

    async def work(key: str) -> float | None:
        at.append(clock.monotonic() - start)
        return 5.0 if len(at) < 3 else None

    queue = queue_with(clock)
    async with running(queue, work):
        queue.add("a")
        await clock.advance(60)
    assert at == [0.0, 5.0, 10.0]


async def test_stopping_finishes_the_work_in_hand_and_drops_the_rest(clock: ManualClock) -> None:
    release = asyncio.Event()
    finished: list[str] = []

    async def work(key: str) -> None:
        await release.wait()
        finished.append(key)

    queue = queue_with(clock)
    task = asyncio.create_task(queue.run(work))
    for key in ("a", "b"):
        queue.add(key)
    queue.add_after("c", 1)
    await clock.settle()
    queue.stop()
    queue.add("d")
    await clock.settle()
    assert not task.done()
    release.set()
    async with asyncio.timeout(5):
        await task
    assert finished == ["a"]


async def test_a_worker_that_lost_its_cancellation_takes_no_further_key(clock: ManualClock) -> None:
    queue = queue_with(clock)
    seen: list[str] = []

    async def swallow(key: str) -> None:
        seen.append(key)
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)

    for key in "abc":
        queue.add(key)
    task = asyncio.create_task(queue.run(swallow))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait({task})
    assert seen == ["a"]


async def test_cancelling_the_run_cancels_the_work(clock: ManualClock) -> None:
    async def work(key: str) -> None:
        await asyncio.Event().wait()

    queue = queue_with(clock)
    task = asyncio.create_task(queue.run(work))
    queue.add("a")
    await clock.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@given(failures=st.integers(1, 10_000), seed=st.integers())
def test_backoff_stays_between_its_jitter_and_its_cap(failures: int, seed: int) -> None:
    backoff = Backoff(first_s=0.1, cap_s=60.0, jitter=0.3)
    delay_s = backoff.delay_s(failures, random.Random(seed))
    full_s = min(60.0, 0.1 * 2.0 ** min(failures - 1, 40))
    assert 0.7 * full_s <= delay_s <= full_s
