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
    creating = asyncio.ensure_future(_create(argv, environment or {}, cwd))
    try:
        # a creation that is cancelled half-way leaves a program and pipes that nobody ends
        started = await asyncio.shield(creating)
    except asyncio.CancelledError:
        await _end_when_created(creating, log)
        raise
    except FileNotFoundError as error:
        raise PermanentError(
            "ProgramMissing", f"{argv[0]} is not installed.", f"apt install {Path(argv[0]).name}"
        ) from error
    return await _follow(started, log, say)


@dataclass(frozen=True)
class _Started:
    """A program and the transport that holds its pipes, which `Process` does not give out."""

    process: asyncio.subprocess.Process
    transport: asyncio.SubprocessTransport

    async def close(self) -> None:
        """Close its pipes, which a program that it left behind may hold open: they must not outlive the
        loop.
        """
        self.transport.close()
        # each pipe is let go of in the loop's next turn
        await asyncio.sleep(0)


async def _create(argv: Sequence[str], environment: Mapping[str, str], cwd: Path | None) -> _Started:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.subprocess_exec(
        lambda: asyncio.subprocess.SubprocessStreamProtocol(limit=2**20, loop=loop),
        *argv,
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C.UTF-8", **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # Ctrl-C on the terminal is for us; we tell the program ourselves
        start_new_session=True,
    )
    return _Started(asyncio.subprocess.Process(transport, protocol, loop), transport)


async def _end_when_created(creating: asyncio.Future[_Started], log: UpLog) -> None:
    """End a program whose creation was interrupted; one that could not be created needs nothing."""
    await asyncio.wait({creating})
    if not creating.cancelled() and creating.exception() is None:
        started = creating.result()
        try:
            await _end(started.process, log)
        finally:
            await started.close()


async def _follow(started: _Started, log: UpLog, say: Callable[[str], None]) -> Done:
    process = started.process
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
    finally:
        await started.close()
    log.write(f"  exit {code}")
    return Done(code, tuple(said), tuple(output))


async def _end(process: asyncio.subprocess.Process, log: UpLog) -> None:
    """Interrupt the program and await its end; who interrupts again has it killed."""
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
    except asyncio.CancelledError:
        _signal_group(process.pid, signal.SIGKILL)
        raise


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return
