"""Runs the programs that steps need, with every line in the log and the last one on the screen."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantix_api.errors import PermanentError
from quantix_cli.up.run.uplog import UpLog

KEPT_LINES = 200
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Done:
    """How a program ended and its last lines: all of them, and those of standard output alone."""

    code: int
    said: tuple[str, ...]
    output: tuple[str, ...]

    @property
    def last(self) -> str:
        return next((line for line in reversed(self.said) if line.strip()), "it said nothing")


async def run(
    argv: Sequence[str],
    log: UpLog,
    *,
    say: Callable[[str], None] = lambda _: None,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Done:
    """Run a program to its end. When cancelled it is interrupted once and awaited for up to a minute, so
    that dpkg can finish what it has begun.

    Raises PermanentError `ProgramMissing` when it is not there.
    """
    log.write(f"$ {shlex.join(argv)}")
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=2**20,
            # Ctrl-C on the terminal is for us; we tell the program ourselves
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise PermanentError(
            "ProgramMissing", f"{argv[0]} is not installed.", f"apt install {Path(argv[0]).name}"
        ) from error
    said: list[str] = []
    output: list[str] = []

    async def follow(stream: asyncio.StreamReader, keep: list[str] | None) -> None:
        async for raw in stream:
            line = raw.decode(errors="replace").rstrip().rsplit("\r", 1)[-1]
            log.write(f"  {line}")
            say(line)
            said.append(line)
            del said[:-KEPT_LINES]
            if keep is not None:
                keep.append(line)
                del keep[:-KEPT_LINES]

    assert process.stdout is not None
    assert process.stderr is not None
    try:
        await asyncio.gather(follow(process.stdout, output), follow(process.stderr, None))
        code = await process.wait()
    except asyncio.CancelledError:
        await _end(process, log)
        raise
    log.write(f"  exit {code}")
    return Done(code, tuple(said), tuple(output))


async def _end(process: asyncio.subprocess.Process, log: UpLog) -> None:
    if process.returncode is not None:
        return
    log.write(f"interrupted: waiting for process {process.pid}")
    _signal_group(process.pid, signal.SIGINT)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()
    except TimeoutError:
        _signal_group(process.pid, signal.SIGKILL)
        await process.wait()


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return
