"""Figures of guests for whoever scrapes: one call at a time, and nobody waits for ever."""

from __future__ import annotations

import asyncio

from quantix_api.errors import TransientError
from quantix_hostd.facts.domain import DomainStats
from quantix_hostd.host.guest_stats import GuestStats
from quantix_lab.clocks import ManualClock

_STATS = (DomainStats("qx-a", {"cpu.time": 1}),)


class Libvirt:
    """Answers when told to; `calls` is how often it was asked, `took` what was measured."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.calls = 0
        self.away = False
        self.answer = asyncio.Event()
        self.took: list[float] = []
        self.stats = GuestStats(self.ask, self.took.append, self.clock)

    async def ask(self) -> tuple[DomainStats, ...]:
        self.calls += 1
        await self.answer.wait()
        if self.away:
            raise TransientError("LibvirtDown", "libvirt does not answer.")
        return _STATS


async def test_scrapes_at_the_same_time_share_one_call() -> None:
    libvirt = Libvirt()
    scrapes = [asyncio.create_task(libvirt.stats.read()) for _ in range(5)]
    await libvirt.clock.advance(2)
    libvirt.answer.set()
    assert await asyncio.gather(*scrapes) == [_STATS] * 5
    assert libvirt.calls == 1
    assert libvirt.took == [2]


async def test_an_answer_is_good_for_seconds_and_asked_for_anew_after_them() -> None:
    libvirt = Libvirt()
    libvirt.answer.set()
    await libvirt.stats.read()
    await libvirt.clock.advance(3)
    assert await libvirt.stats.read() == _STATS
    assert libvirt.calls == 1
    await libvirt.clock.advance(3)
    assert await libvirt.stats.read() == _STATS
    assert libvirt.calls == 2


async def test_a_libvirt_that_hangs_costs_a_scrape_its_figures_and_is_not_asked_twice() -> None:
    libvirt = Libvirt()
    first = asyncio.create_task(libvirt.stats.read())
    await libvirt.clock.advance(5)
    assert await first is None
    second = asyncio.create_task(libvirt.stats.read())
    await libvirt.clock.advance(1)
    libvirt.answer.set()
    assert await second == _STATS
    assert libvirt.calls == 1


async def test_a_libvirt_that_refuses_gives_no_figures_and_no_old_ones() -> None:
    libvirt = Libvirt()
    libvirt.answer.set()
    await libvirt.stats.read()
    await libvirt.clock.advance(10)
    libvirt.away = True
    assert await libvirt.stats.read() is None


async def test_a_call_that_hangs_ends_with_hostd() -> None:
    libvirt = Libvirt()
    scrape = asyncio.create_task(libvirt.stats.read())
    await libvirt.clock.settle()
    await libvirt.stats.close()
    assert await scrape is None
