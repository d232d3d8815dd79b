"""What is told of a program that failed: it reaches users in conditions, which cut what is long."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator, Mapping, MutableMapping, MutableSequence, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog

from quantix_api.messages import message_of
from quantix_hostd.clients.command import CommandFailed, CommandTimedOut, run
from quantix_lab.waiting import eventually_async

_LONG = "/a/path/of/a/disk" * 40


@pytest.fixture
def logged() -> Iterator[MutableSequence[MutableMapping[str, Any]]]:
    with structlog.testing.capture_logs() as entries:
        yield entries


async def test_what_a_program_said_is_told_and_its_command_is_logged(
    logged: Sequence[Mapping[str, Any]],
) -> None:
    with pytest.raises(CommandFailed) as failed:
        await run("/bin/sh", "-c", "echo the disk is broken. >&2; exit 3", _LONG)
    assert message_of(failed.value) == "sh ended with code 3. Said: the disk is broken."
    [entry] = logged
    assert entry["command"].endswith(_LONG)
    assert (entry["code"], entry["said"]) == (3, "the disk is broken.")


async def test_no_directory_of_the_host_is_told() -> None:
    said = "Could not open '/var/lib/quantix/pools/local/volumes/.21e4.h2.new/data': no /dev/fd/7, a/b 1/2"
    with pytest.raises(CommandFailed) as failed:
        await run("sh", "-c", f'echo "{said}" >&2; exit 1')
    assert message_of(failed.value) == ("sh ended with code 1. Said: Could not open 'data': no 7, a/b 1/2.")


async def test_a_program_that_was_killed_is_told_by_its_signal() -> None:
    with pytest.raises(CommandFailed) as failed:
        await run("sh", "-c", "kill -KILL $$", _LONG)
    assert message_of(failed.value) == "sh ended with SIGKILL. Said: nothing."


async def test_a_program_that_takes_too_long_is_told_by_its_time(
    logged: Sequence[Mapping[str, Any]],
) -> None:
    with pytest.raises(CommandTimedOut) as failed:
        await run("sleep", "60", _LONG, timeout_s=0.0)
    assert message_of(failed.value) == "sleep did not end within 0 s."
    assert logged[0]["command"].endswith(_LONG)


async def test_a_program_is_told_with_what_it_was_to_do() -> None:
    with pytest.raises(CommandFailed, match="env unheard-of ended with code 127"):
        await run("env", "unheard-of")
    with pytest.raises(CommandFailed, match="qemu-img create ended with code 1"):
        await run("nice", "-n19", "false", what="qemu-img create")


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
