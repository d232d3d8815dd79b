"""`qx up` and `qx down`: the table of contents of this package."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from quantix_api.errors import QuantixError
from quantix_cli.exits import CommandError, Exit
from quantix_cli.supervision.choose import supervisor_of
from quantix_cli.terminal import Terminal, detect
from quantix_cli.up import example
from quantix_cli.up.bringup import BringUp
from quantix_cli.up.builds import ensure_control_plane, ensure_guest_image
from quantix_cli.up.installation import describe
from quantix_cli.up.machine import judge_machine, observe_machine
from quantix_cli.up.preparation import Preparation
from quantix_cli.up.progress import Progress
from quantix_cli.up.runner import now_s, open_log, run_to_exit_code, show_header
from quantix_cli.up.settings import UpSettings, read_settings
from quantix_cli.up.site import Site
from quantix_cli.up.steps import run_steps
from quantix_cli.up.stopping import stop_everything
from quantix_cli.up.uplog import UpLog
from quantix_cli.up.words import duration


@click.command("up", short_help="set this machine up and start Quantix on it")
def up_command() -> None:
    """Set this machine up, start Quantix on it, and run examples/first-vm.yaml.

    Repeat it as you like: what is done is kept, and a second run changes nothing. Environment: QUANTIX_ROOT
    (all files below another directory), QUANTIX_KUBECONFIG (use that cluster), QUANTIX_API_PORT.
    """
    began_s = now_s()
    terminal = detect(os.environ)
    settings = _settings_as_root("make up")
    log = open_log(settings)
    progress = Progress(terminal, now_s)
    if settings.since_s is None:
        show_header(settings, progress)
    run = _UpRun(settings, terminal, log, progress)
    code = run_to_exit_code(run.work, terminal, log, again="make up")
    if code:
        sys.exit(code)
    run.tell(now_s() - (settings.since_s or began_s))


@click.command("down", short_help="stop Quantix on this machine; guests are shut down, data is kept")
@click.option("--guests", is_flag=True, help="only shut the guests of this host down (the machine stops)")
def down_command(guests: bool) -> None:
    """Stop Quantix on this machine. Its guests are shut down cleanly and start again with `qx up`."""
    terminal = detect(os.environ)
    settings = _settings_as_root("make down")
    log = open_log(settings)
    supervisor = supervisor_of(settings.layout, Path(sys.executable))

    async def work() -> int:
        progress = Progress(terminal, now_s)
        terminal.out(
            terminal.plain(await stop_everything(settings, supervisor, log, progress, only_guests=guests))
        )
        return 0

    if code := run_to_exit_code(work, terminal, log, again="make down"):
        sys.exit(code)


class _UpRun:
    """One run of `qx up`."""

    def __init__(self, settings: UpSettings, terminal: Terminal, log: UpLog, progress: Progress) -> None:
        self._settings = settings
        self._terminal = terminal
        self._log = log
        self._progress = progress
        self._changed = settings.earlier_changes
        self._state: example.ExampleState | None = None

    async def work(self) -> int:
        controlplane, guest_image = await self._prepare()
        settings = self._settings
        supervisor = supervisor_of(settings.layout, Path(sys.executable))
        site = Site(settings, self._log, supervisor, describe(settings, controlplane))
        bringup = BringUp(site, guest_image)
        try:
            outcomes = await run_steps(bringup.steps(), self._progress, self._log)
        finally:
            if site.client is not None:
                await site.client.__aexit__(None, None, None)
        self._changed |= any(outcome.changed for outcome in outcomes.values())
        self._state = bringup.state
        return 0

    async def _prepare(self) -> tuple[Path | None, Path]:
        """The builds: made just before by the bootstrap, else by the same steps here."""
        preparation = Preparation(self._settings, self._log)
        if self._settings.since_s is None:
            outcomes = await run_steps(preparation.steps(), self._progress, self._log)
            self._changed |= any(outcome.changed for outcome in outcomes.values())
        controlplane = preparation.controlplane
        if controlplane is None and self._settings.kubeconfig is None:
            controlplane = await ensure_control_plane(self._settings, self._log, lambda _: None)
        image = preparation.guest_image or await ensure_guest_image(self._settings)
        return controlplane, image

    def tell(self, took_s: float) -> None:
        """What it came to, and where to go on."""
        state, say = self._state, self._progress.say
        if state is None:
            return
        ready = f"Ready in {duration(took_s)}" + ("" if self._changed else ", nothing to change")
        vm = f"{example.NAME} is Running at {state.address}"
        if not state.address:
            vm = f"{example.NAME} is {state.power_state}, as its powerState says"
        if not self._changed:
            say(f"{ready}. {vm}.")
            return
        say(f"{ready}. {vm}. kubeconfig: {self._settings.admin_kubeconfig}")
        say(f"  Try          {'   ·   '.join(self._suggestions())}")

    def _suggestions(self) -> list[str]:
        if self._settings.is_machines_own:
            return ["qx status", f"qx vm console {example.NAME}", "kubectl get vm"]
        qx = f"QUANTIX_ROOT={self._settings.layout.root} {self._settings.venv}/bin/qx"
        return [f"{qx} status", f"kubectl --kubeconfig {self._settings.admin_kubeconfig} get vm"]


def _settings_as_root(command: str) -> UpSettings:
    try:
        settings = read_settings()
        if os.geteuid() != 0:
            judge_machine(observe_machine(settings, is_installed=True), settings)
    except QuantixError as error:
        raise CommandError(Exit.FAILED, error.message.replace("make up", command, 1), error.hint) from error
    return settings
