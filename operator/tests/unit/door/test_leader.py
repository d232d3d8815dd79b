"""A leader's work ends with its leadership, whatever the work does."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from quantix_operator.leader import work_while_leading


class Lease:
    """Held until `lost` is set."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()

    @property
    def remaining_s(self) -> float:
        return 0.0

    async def hold(self) -> None:
        await self.lost.wait()


class Died(Exception):
    """Stands for the end of the process."""


def die() -> None:
    raise Died


async def test_work_is_cancelled_when_leadership_is_lost() -> None:
    lease, ended = Lease(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    leading = asyncio.create_task(work_while_leading(lease, work, die))
    await asyncio.sleep(0)
    lease.lost.set()
    await leading
    assert ended.is_set()


async def test_work_that_outlives_its_cancellation_ends_with_the_process() -> None:
    lease, may_end = Lease(), asyncio.Event()

    async def deaf() -> None:
        while not may_end.is_set():
            with suppress(asyncio.CancelledError):
                await may_end.wait()

    leading = asyncio.create_task(work_while_leading(lease, deaf, die))
    await asyncio.sleep(0)
    lease.lost.set()
    with pytest.raises(Died):
        await leading
    may_end.set()


async def test_work_that_fails_is_raised() -> None:
    async def failing() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await work_while_leading(Lease(), failing, die)
