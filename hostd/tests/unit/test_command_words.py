"""What is told of a program that failed: it reaches users in conditions, which cut what is long."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from quantix_api.messages import message_of
from quantix_hostd.clients.command import CommandFailed, CommandTimedOut, run
from quantix_lab.waiting import eventually_async

_LONG = "/a/path/of/a/disk" * 40


async def test_what_a_program_said_is_told_before_its_command_is_cut() -> None:
    with pytest.raises(CommandFailed) as failed:
        await run("sh", "-c", "echo the disk is broken. >&2; exit 3", _LONG)
    told = message_of(failed.value)
    assert told.startswith("A program ended with code 3. Said: the disk is broken. It was `sh -c")
    assert told.endswith("…")


async def test_a_program_that_was_killed_is_told_by_its_signal() -> None:
    with pytest.raises(CommandFailed) as failed:
        await run("sh", "-c", "kill -KILL $$", _LONG)
    assert message_of(failed.value).startswith("A program ended with SIGKILL. Said: nothing. It was `sh -c")


async def test_a_program_that_takes_too_long_is_told_by_its_time() -> None:
    with pytest.raises(CommandTimedOut) as failed:
        await run("sleep", "60", _LONG, timeout_s=0.0)
    assert message_of(failed.value).startswith("A program did not end within 0 s. It was `sleep 60")


async def test_a_program_that_no_kill_ends_is_not_waited_for() -> None:
    # as in state D: the signal stays pending
    killed: list[int] = []
    async with asyncio.timeout(5):
        with pytest.raises(CommandTimedOut, match="did not end within 0 s"):
            await run("sleep", "20", timeout_s=0.0, kill=killed.append, death_s=0.2)
    os.killpg(killed[0], signal.SIGKILL)
    # what is left of it when the loop closes would fail whatever test runs then
    await eventually_async("it is reaped", lambda: not Path("/proc", str(killed[0])).exists())
    await asyncio.sleep(0.1)
