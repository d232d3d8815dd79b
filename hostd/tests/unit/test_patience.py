"""What becomes of threads that ask a place whose disk or server hangs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from quantix_hostd.clients.patience import PatientThreads, SilentPlaceError
from quantix_lab.waiting import eventually_async

_PATIENCE_S = 0.2
_FAR, _NEAR = Path("/far"), Path("/near")
_ENDS_BESIDE_ONE_THAT_HANGS = """
import asyncio, threading
from pathlib import Path
from quantix_hostd.clients.patience import PatientThreads, SilentPlaceError

async def main():
    try:
        await PatientThreads(0.1).ask(Path("/far"), threading.Event().wait)
    except SilentPlaceError:
        print("hangs")

asyncio.run(main())
"""


class Hanging:
    """A place that answers from when it is `freed` on."""

    def __init__(self) -> None:
        self.freed = threading.Event()
        self.asked = 0

    def __call__(self) -> int:
        self.asked += 1
        self.freed.wait(20)
        return self.asked


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    made.freed.set()


async def answers(threads: PatientThreads, place: Path) -> bool:
    try:
        return await threads.ask(place, lambda: True)
    except SilentPlaceError:
        return False


async def test_who_was_cancelled_leaves_one_thread_and_not_one_more_each_time(hanging: Hanging) -> None:
    threads = PatientThreads(_PATIENCE_S)
    asking = asyncio.create_task(threads.ask(_FAR, hanging))
    await eventually_async("the place was asked", lambda: hanging.asked == 1)
    asking.cancel()
    await asyncio.wait({asking})
    assert await answers(threads, _FAR), "that somebody went away does not mean that the place is silent"
    await asyncio.sleep(2 * _PATIENCE_S)
    for _ in range(3):
        with pytest.raises(SilentPlaceError, match="an earlier call has not been answered"):
            await threads.ask(_FAR, hanging)
    assert hanging.asked == 1
    hanging.freed.set()
    await eventually_async("it is asked again", lambda: answers(threads, _FAR))


async def test_a_place_that_owes_several_answers_is_asked_once_it_has_given_all() -> None:
    threads, first, second = PatientThreads(_PATIENCE_S), Hanging(), Hanging()
    asked = await asyncio.gather(threads.ask(_FAR, first), threads.ask(_FAR, second), return_exceptions=True)
    assert [str(error) for error in asked] == [f"no answer within {_PATIENCE_S:.0f} s"] * 2
    first.freed.set()
    await asyncio.sleep(_PATIENCE_S)
    assert not await answers(threads, _FAR)
    second.freed.set()
    await eventually_async("it is asked again", lambda: answers(threads, _FAR))


async def test_a_place_that_falls_silent_keeps_no_more_threads_than_may_be(hanging: Hanging) -> None:
    threads, begun = PatientThreads(_PATIENCE_S), 100
    asked = await asyncio.gather(*(threads.ask(_FAR, hanging) for _ in range(begun)), return_exceptions=True)
    assert [type(error) for error in asked] == [SilentPlaceError] * begun
    assert hanging.asked == 64
    assert await answers(threads, _NEAR)


async def test_more_than_may_be_asked_at_once_are_all_answered() -> None:
    threads = PatientThreads(5)
    assert await asyncio.gather(*(threads.ask(_FAR, int) for _ in range(200))) == [0] * 200


async def test_a_place_that_answers_is_not_told_as_silent_where_all_common_threads_are_taken(
    hanging: Hanging,
) -> None:
    common = ThreadPoolExecutor(1)
    asyncio.get_running_loop().set_default_executor(common)
    taken = asyncio.ensure_future(asyncio.to_thread(hanging))
    assert await answers(PatientThreads(_PATIENCE_S), _NEAR)
    hanging.freed.set()
    await taken


async def test_what_a_call_raises_is_raised() -> None:
    threads = PatientThreads(_PATIENCE_S)
    with pytest.raises(FileNotFoundError):
        await threads.ask(_NEAR, Path("/none/such").stat)
    assert await answers(threads, _NEAR)


def test_a_process_ends_by_itself_beside_a_place_that_hangs() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _ENDS_BESIDE_ONE_THAT_HANGS], capture_output=True, text=True, timeout=20
    )
    assert (ended.returncode, ended.stdout) == (0, "hangs\n"), ended.stderr
