"""What a process of the command line is told by its environment: read once, in its `main`, and passed on.

Nothing is judged here: a wrong value is the affair of the command that needs it (`up.settings`). Standard
library only, for `make up` begins before anything is installed.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quantix_api.layout import Layout
from quantix_cli.terminal import Terminal, detect

DEFAULT_PORT = "6443"


@dataclass(frozen=True)
class Settings:
    """`quantix_kubeconfig` and `kubeconfig` are the variables of these names, None where they are not set or
    empty; of a list in KUBECONFIG the first file counts. `keeps_cache`: QUANTIX_CACHE names it, so others
    may use it. `asked_host_name` is what QUANTIX_HOST_NAME says.
    `up_since_s` (CLOCK_MONOTONIC) and `up_changed` are what the first process of a `make up` hands to the
    second.
    """

    terminal: Terminal
    layout: Layout
    cache: Path
    keeps_cache: bool
    home: Path | None
    search_path: str
    host_name: str
    asked_host_name: str | None
    api_port: str
    quantix_kubeconfig: Path | None
    kubeconfig: Path | None
    up_since_s: float | None
    up_changed: bool


def read_settings(environment: Mapping[str, str], *, no_color: bool = False) -> Settings:
    """The settings of a process with this environment. Raises nothing."""
    layout = Layout(Path(environment.get("QUANTIX_ROOT") or "/"))
    since = environment.get("QUANTIX_UP_SINCE")
    return Settings(
        terminal=detect(environment, no_color=no_color),
        layout=layout,
        cache=_path(environment.get("QUANTIX_CACHE")) or layout.cache,
        keeps_cache=bool(environment.get("QUANTIX_CACHE")),
        home=_path(environment.get("HOME")),
        search_path=environment.get("PATH", ""),
        asked_host_name=environment.get("QUANTIX_HOST_NAME") or None,
        host_name=environment.get("QUANTIX_HOST_NAME") or socket.gethostname().partition(".")[0].lower(),
        api_port=environment.get("QUANTIX_API_PORT") or DEFAULT_PORT,
        quantix_kubeconfig=_path(environment.get("QUANTIX_KUBECONFIG")),
        kubeconfig=_path(environment.get("KUBECONFIG", "").split(os.pathsep)[0]),
        up_since_s=float(since) if since else None,
        up_changed=environment.get("QUANTIX_UP_CHANGED") == "yes",
    )


def _path(value: str | None) -> Path | None:
    return Path(value) if value else None
