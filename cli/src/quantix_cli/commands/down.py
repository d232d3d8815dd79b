"""`qx down`: stop Quantix on this machine. The stages are in `up/stop`."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import click

from quantix_cli.helping import Verb
from quantix_cli.settings import Settings
from quantix_cli.supervision.choose import supervisor_of
from quantix_cli.up.run.alone import alone
from quantix_cli.up.run.progress import Progress
from quantix_cli.up.run.runner import now_s, open_log, require_root, run_to_exit_code
from quantix_cli.up.settings import judge_settings
from quantix_cli.up.stop.stopping import stop_everything


@click.command(
    "down",
    cls=Verb,
    short_help="stop Quantix on this machine; guests are shut down, data is kept",
    examples=("make down", "qx down --guests"),
)
@click.option("--guests", is_flag=True, help="Only shut the guests of this host down (the machine stops).")
@click.pass_obj
def down_command(given: Settings, guests: bool) -> None:
    """Stop Quantix on this machine. Its guests are shut down cleanly and start again with `qx up`."""
    settings = judge_settings(given)
    require_root("make down", "stops VMs and services", os.geteuid())
    terminal = given.terminal

    supervisor = supervisor_of(settings.layout, Path(sys.executable))

    async def work() -> int:
        progress = Progress(terminal, now_s)
        terminal.out(
            terminal.plain(await stop_everything(settings, supervisor, log, progress, only_guests=guests))
        )
        return 0

    # a machine that stops waits for nobody
    with contextlib.nullcontext() if guests else alone(settings, "make down"):
        log = open_log(settings)
        if code := run_to_exit_code(work, terminal, log, again="make down"):
            sys.exit(code)
