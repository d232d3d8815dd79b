"""The session of a command of `qx` whose API is a fake: for unit tests that call what a command does."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from quantix_api.layout import Layout
from quantix_cli.cluster import Target
from quantix_cli.session import Session
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


class Looks:
    """An API whose reads find these, one after the other, and the last for ever."""

    def __init__(self, *looks: dict[str, Any]) -> None:
        self._looks = list(looks)

    async def get(self, *_: Any) -> dict[str, Any]:
        return self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
