"""Programs of `make up`: an interruption at any moment leaves no program and no open pipe behind."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from quantix_cli.up.run.programs import run
from quantix_cli.up.run.uplog import UpLog

pytestmark = pytest.mark.usefixtures("heeded_interrupt")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[UpLog]:
    with closing(UpLog(tmp_path / "up.log")) as opened:
        yield opened


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4, 6, 10])
def test_an_interruption_while_a_program_is_being_started_leaves_nothing_behind(
    log: UpLog, turns: int
) -> None:
    before = children()

    async def interrupted() -> None:
        running = asyncio.create_task(run(["sleep", "30"], log))
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert children() <= before

    asyncio.run(interrupted())
    # what was not closed complains when it is collected, and pytest makes that an error
    gc.collect()


def test_a_second_interruption_ends_a_program_that_does_not_listen_to_the_first(log: UpLog) -> None:
    before = children()

    async def interrupted() -> None:
        ready = asyncio.Event()
        stubborn = ["sh", "-c", "trap '' INT; echo ready; sleep 30"]
        running = asyncio.create_task(run(stubborn, log, say=lambda _: ready.set()))
        await ready.wait()
        running.cancel()
        await asyncio.sleep(0.1)
        assert not running.done()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.sleep(0.2)
        assert children() <= before

    asyncio.run(interrupted())
    gc.collect()


def test_a_program_tells_how_it_ended_and_what_it_said(log: UpLog) -> None:
    done = asyncio.run(run(["sh", "-c", "echo out; echo err >&2; exit 3"], log))
    assert (done.code, done.output, set(done.said)) == (3, ("out",), {"out", "err"})
