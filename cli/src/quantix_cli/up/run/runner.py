"""Runs steps as a command does: header, progress, Ctrl-C, and one sentence when a step fails."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from quantix_api.errors import PermanentError, QuantixError
from quantix_cli import directories
from quantix_cli.terminal import Terminal
from quantix_cli.up.run.progress import Progress
from quantix_cli.up.run.steps import StepFailed
from quantix_cli.up.run.uplog import UpLog
from quantix_cli.up.run.words import steps_kept
from quantix_cli.up.settings import UpSettings

VERSION = "0.1.0"
FIRST_TIME = "The first time takes up to 9 min, less where downloads and builds are there; Ctrl-C is safe."

T = TypeVar("T")


def require_root(command: str, deed: str, user_id: int) -> None:
    """Raise PermanentError for anybody but root, before anything is written. `deed` says what it is for."""
    if user_id != 0:
        raise PermanentError("NotRoot", f"{command} needs root: it {deed}.", f"sudo {command}")


def open_log(settings: UpSettings) -> UpLog:
    """The log of this run, in its directory. Raises OSError where it may not be written (not root)."""
    directories.ensure(directories.with_parents(settings.layout, settings.log_path.parent))
    return UpLog(settings.log_path)


def show_header(settings: UpSettings, progress: Progress) -> None:
    """The first line, within the first moment."""
    begun = settings.admin_kubeconfig.exists() or settings.place is not None
    first = "" if begun else f" {FIRST_TIME}"
    progress.say(f"Quantix {VERSION} on {settings.host_name}.{first} Log: {settings.log_path}")


def run_to_exit_code(
    work: Callable[[], Coroutine[Any, Any, int]], terminal: Terminal, log: UpLog, *, again: str
) -> int:
    """Run `work` to its exit code; failures, Ctrl-C and SIGTERM become one sentence. `again` names the
    command.
    """
    try:
        return asyncio.run(_until_terminated(work))
    except StepFailed as failed:
        terminal.note(terminal.plain(f"{failed.error} Log: {failed.log_place}"))
        return 1
    except QuantixError as error:
        log.write(str(error))
        terminal.note(terminal.plain(f"{error} Log: {log.place}"))
        return 1
    except KeyboardInterrupt:
        log.write("interrupted")
        terminal.note(terminal.plain(steps_kept(again)))
        return 130
    except asyncio.CancelledError:
        log.write("terminated")
        terminal.note(terminal.plain(steps_kept(again)))
        return 143


async def _until_terminated(work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work()


def now_s() -> float:
    """Seconds of CLOCK_MONOTONIC, the same in every process of this machine."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)
