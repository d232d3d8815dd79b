"""Runs a program of the host and says what it said: the one place that starts one.

Used by the other clients only. No shell is involved; a program that outlives its deadline, or whose caller
was cancelled, is killed with everything that it started.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import structlog

from quantix_api.errors import PermanentError, TransientError
from quantix_api.message_text import quoted

_MAX_QUOTE, _MAX_LOGGED = 150, 4000
_VERB = re.compile(r"[a-z][a-z-]*")
# all of a path but its last name
_DIRECTORIES = re.compile(r"(?<![\w.-])/(?:[^\s/'\"`:,]+/)+")
_DEATH_S = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class CommandResult:
    """How a program ended. `code` is negative when a signal ended it."""

    code: int
    stdout: str
    stderr: str


class CommandFailed(TransientError):
    """The program ended with another code than 0. What this says reaches users: it holds what was run
    (`qemu-img create`) and no directory of the host. The log has the whole command.
    """

    def __init__(self, what: str, result: CommandResult) -> None:
        said = _DIRECTORIES.sub("", result.stderr.strip() or result.stdout.strip())
        quote = quoted(said[-_MAX_QUOTE:].rstrip(".")) or "nothing"
        super().__init__("CommandFailed", f"{what} ended with {_end_of(result.code)}. Said: {quote}.")
        self.result = result


class CommandTimedOut(TransientError):
    """The program was killed at its deadline; said as in CommandFailed."""

    def __init__(self, what: str, timeout_s: float) -> None:
        super().__init__("CommandTimedOut", f"{what} did not end within {timeout_s:g} s.")


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


async def run(
    *argv: str,
    what: str = "",
    timeout_s: float = 30.0,
    stdin: str | None = None,
    pass_fds: tuple[int, ...] = (),
    check: bool = True,
    kill: Callable[[int], None] = _kill,
    death_s: float = _DEATH_S,
) -> CommandResult:
    """Run `argv` and return what it said. One that outlives `timeout_s` is given to `kill` (by its process
    group), and waited for `death_s` longer. `what`: how users are told of it, as program and verb, where the
    first words only start it.

    Raises CommandFailed (with `check`), CommandTimedOut, or PermanentError with reason ProgramMissing.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=pass_fds,
            start_new_session=True,
            env={"PATH": os.defpath + ":/usr/local/sbin:/usr/sbin:/sbin", "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise PermanentError(
            "ProgramMissing", f"The program {argv[0]} is not installed", "install it, or run qx up again"
        ) from error
    rank_for_memory(process.pid)
    try:
        async with asyncio.timeout(timeout_s):
            out, err = await process.communicate(stdin.encode() if stdin is not None else None)
    except TimeoutError as error:
        log.warning("program ended at its deadline", command=shlex.join(argv), timeout_s=timeout_s)
        raise CommandTimedOut(what or _name_of(argv), timeout_s) from error
    finally:
        if process.returncode is None:
            kill(process.pid)
            await _wait_for_death(process, argv, death_s)
    result = CommandResult(process.returncode or 0, _text(out), _text(err))
    if check and result.code != 0:
        raise failed(argv, result, what)
    return result


def failed(argv: Sequence[str], result: CommandResult, what: str = "") -> CommandFailed:
    """The error of a program that ended so; its whole command is logged."""
    said = result.stderr.strip()[-_MAX_LOGGED:]
    log.warning("program failed", command=shlex.join(argv), code=result.code, said=said)
    return CommandFailed(what or _name_of(argv), result)


def _name_of(argv: Sequence[str]) -> str:
    """The program and its verb."""
    verb = [word for word in argv[1:2] if _VERB.fullmatch(word)]
    return " ".join((PurePath(argv[0]).name, *verb))


def rank_for_memory(pid: int, proc: Path = Path("/proc")) -> None:
    """Let the kernel end a program as early as any other when memory runs out: that hostd is among the last
    to go is not meant for what it starts.
    """
    score = proc / str(pid) / "oom_score_adj"
    with contextlib.suppress(OSError):
        if int(score.read_text()) < 0:
            score.write_text("0\n")


async def _wait_for_death(process: asyncio.subprocess.Process, argv: Sequence[str], death_s: float) -> None:
    try:
        async with asyncio.timeout(death_s):
            await process.wait()
    except TimeoutError:
        # in the kernel, on a disk that hangs: it goes once that answers
        log.warning("killed program does not end", pid=process.pid, command=shlex.join(argv))


def _end_of(code: int) -> str:
    if code >= 0:
        return f"code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
