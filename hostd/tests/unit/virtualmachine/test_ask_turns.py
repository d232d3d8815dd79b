"""Whose agent is asked next, and that guests whose agents hang delay no others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.facts.guest import GuestReport
from quantix_hostd.virtualmachine.ask_turns import AT_ONCE, SLOW_S, Waiting, next_asked, pace_after
from quantix_hostd.virtualmachine.guest_watch import GuestWatch


@pytest.mark.parametrize(
    ("paces", "asked", "turns"),
    [
        ([0.0] * 6, [], "0123"),
        ([0.0] * 6, [0.1, 0.1, 9.0], "0"),
        ([0.0] * 6, [0.1] * 4, ""),
        ([9.0, 5.0, 7.0, 0.1], [], "312"),
        ([9.0, 5.0], [8.0, 8.0], ""),
        ([9.0, 5.0, 0.1], [8.0], "21"),
        ([0.9, 1.0], [8.0, 8.0], "0"),
    ],
)
def test_slow_guests_have_half_of_the_turns_and_the_quickest_of_them_goes_first(
    paces: list[float], asked: Sequence[float], turns: str
) -> None:
    waiting = [Waiting(str(number), float(number), pace) for number, pace in enumerate(paces)]
    assert "".join(next_asked(waiting, asked)) == turns


def test_the_quick_are_asked_in_the_order_in_which_they_are_due() -> None:
    waiting = [Waiting("late", 9.0, 0.0), Waiting("early", 1.0, 0.5), Waiting("between", 3.0, 0.2)]
    assert next_asked(waiting, [0.0, 0.0]) == ("early", "between")


def test_one_answer_in_three_makes_no_slow_guest_quick_and_many_do() -> None:
    pace_s = 0.0
    for round_ in range(30):
        pace_s = pace_after(pace_s, 0.1 if round_ % 3 == 2 else 5.0)
        assert pace_s >= SLOW_S
    for _ in range(8):
        pace_s = pace_after(pace_s, 0.1)
    assert pace_s < SLOW_S


class HangingAgents:
    """Agents of which some answer no sooner than a clock says; `asked` is whose question is open."""

    def __init__(self) -> None:
        self.now_s, self.ticked = 0.0, asyncio.Condition()
        self.hang_s = dict[str, float]()
        self.asked = set[str]()
        self.answered = dict[str, float]()
        self.questions = list[str]()

    def monotonic(self) -> float:
        return self.now_s

    async def sleep(self, delay_s: float) -> None:
        raise AssertionError("nobody waits by it")

    async def guest_report(self, name: str) -> GuestReport:
        uid, since_s = name.removeprefix("qx-"), self.now_s
        self.questions.append(uid)
        self.asked.add(uid)
        try:
            async with self.ticked:
                await self.ticked.wait_for(lambda: self.now_s >= since_s + self.hang_s.get(uid, 0.0))
        finally:
            self.asked.discard(uid)
        if uid in self.hang_s:
            raise TransientError("InternalError", "agent does not answer")
        self.answered.setdefault(uid, self.now_s)
        return GuestReport()

    async def set_guest_time(self, name: str) -> None:
        return None


@pytest.fixture
async def agents() -> AsyncIterator[tuple[HangingAgents, GuestWatch]]:
    found = HangingAgents()
    watch = GuestWatch(found, lambda uid: None, found, found.monotonic)
    asking = asyncio.create_task(watch.run())
    yield found, watch
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking


async def pass_time(agents: HangingAgents, watch: GuestWatch, seconds: int, *uids: str) -> None:
    """Second by second; each VM is looked at in each."""
    for _ in range(seconds):
        agents.now_s += 1.0
        for uid in uids:
            watch.see(uid, channel_open=True, running=True)
        async with agents.ticked:
            agents.ticked.notify_all()
        for _ in range(20):
            await asyncio.sleep(0)


async def test_guests_whose_agents_hang_delay_nobody_once_they_are_known(
    agents: tuple[HangingAgents, GuestWatch],
) -> None:
    found, watch = agents
    hanging = [f"hangs-{number}" for number in range(8)]
    found.hang_s = dict.fromkeys(hanging, 15.0)
    await pass_time(found, watch, 60, *hanging)
    for number in range(AT_ONCE):
        await pass_time(found, watch, 7, *hanging)
        came_s, uid = found.now_s + 1.0, f"quick-{number}"
        await pass_time(found, watch, 2, *hanging, uid)
        assert found.answered[uid] == came_s
        assert len(found.asked & set(hanging)) <= 2


async def test_a_guest_that_starts_again_is_as_slow_as_before(
    agents: tuple[HangingAgents, GuestWatch],
) -> None:
    found, watch = agents
    hanging = [f"hangs-{number}" for number in range(4)]
    found.hang_s = dict.fromkeys(hanging, 15.0)
    await pass_time(found, watch, 20, *hanging)
    for uid in hanging:
        watch.forget(uid)
    await pass_time(found, watch, 5, *hanging)
    assert len(found.asked) == 2


async def test_a_guest_that_lets_time_run_out_is_asked_less_often(
    agents: tuple[HangingAgents, GuestWatch],
) -> None:
    found, watch = agents
    found.hang_s = {"hangs": 10.0}
    await pass_time(found, watch, 121, "hangs")
    assert found.questions.count("hangs") == 3, "10 s of each 40"
