"""The session of a command of `qx` whose API is a fake, and the command as it is typed: for unit tests."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

from quantix_api.errors import QuantixError
from quantix_api.layout import Layout
from quantix_cli.cluster import Target
from quantix_cli.main import qx
from quantix_cli.options import Invocation
from quantix_cli.session import Session, translated
from quantix_cli.settings import read_settings
from quantix_cli.suggesting import Here
from quantix_cli.terminal import Terminal
from quantix_client.api import ApiClient
from quantix_client.clock import Clock
from quantix_lab.clocks import HastyClock

PIPE = Terminal(is_tty=False, colour=False, unicode=True, width=None)
TARGET = Target(Path("/nonexistent/kubeconfig"), None, "a test says so")
NOWHERE = Layout(Path("/nonexistent"))


def qx_session(
    api: object,
    *,
    namespace: str = "default",
    timeout_s: float = 5.0,
    terminal: Terminal = PIPE,
    layout: Layout = NOWHERE,
    clock: Clock | None = None,
) -> Session:
    """A session whose API is `api`: any object with those methods of ApiClient that are called. Waits are
    over at once (`HastyClock`) where `clock` is not given.
    """
    client = cast(ApiClient, api)
    waits = clock or HastyClock()
    return Session(client, terminal, layout, TARGET, namespace, False, timeout_s, clock=waits)


async def typed(session: Session, command: str) -> int:
    """The exit code of `qx COMMAND` as it is typed, with what `session` has instead of a cluster. Raises
    CommandError, which `main` tells.

    What is suggested carries the namespace of the session unless that is `default`, as it is in kubeconfigs.
    What the options -y, --dry-run, --show-yaml and -o say is added to the session; the others of every
    command mean nothing. It runs in a thread, since a command has a loop of its own.
    """

    def run(invocation: Invocation, work: Callable[[Session], Coroutine[Any, Any, Any]]) -> Any:
        sure = session.assume_yes or invocation.assume_yes or invocation.showing.dry_run
        here = invocation.terminal.here
        here.namespace, here.plain = session.namespace, "default"
        given = replace(session, terminal=invocation.terminal, assume_yes=sure, showing=invocation.showing)
        try:
            return asyncio.run(work(given))
        except QuantixError as error:
            raise translated(error, session.target) from error

    # of its own, as where the command works is written into it
    terminal = replace(session.terminal, here=Here())
    settings = replace(read_settings({}), terminal=terminal)
    how: dict[str, Any] = {"prog_name": "qx", "standalone_mode": False, "obj": settings}
    with patch.object(Invocation, "run", run):
        return await asyncio.to_thread(qx.main, shlex.split(command), **how) or 0


class Looks:
    """An API whose reads find these, one after the other, and the last for ever."""

    def __init__(self, *looks: dict[str, Any]) -> None:
        self._looks = list(looks)

    async def get(self, *_: Any) -> dict[str, Any]:
        return self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
