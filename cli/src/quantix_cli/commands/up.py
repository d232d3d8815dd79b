"""`qx up`: set this machine up, start Quantix on it, and run the example. The stages are in `up/`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from quantix_cli.helping import Verb
from quantix_cli.settings import Settings
from quantix_cli.supervision.choose import supervisor_of
from quantix_cli.up import neighbours
from quantix_cli.up.installation import describe
from quantix_cli.up.membership import bring_member_up, member_ending
from quantix_cli.up.prepare.builds import ensure_control_plane, ensure_guest_image
from quantix_cli.up.prepare.preparation import Preparation
from quantix_cli.up.run.alone import alone
from quantix_cli.up.run.progress import Progress
from quantix_cli.up.run.runner import now_s, open_log, require_root, run_to_exit_code, show_header
from quantix_cli.up.run.steps import run_steps
from quantix_cli.up.run.uplog import UpLog
from quantix_cli.up.run.words import duration
from quantix_cli.up.settings import UpSettings, judge_settings
from quantix_cli.up.start import example
from quantix_cli.up.start.bringup import BringUp
from quantix_cli.up.start.site import Site
from quantix_cli.up.start.verdict import Trouble, sentences


@click.command(
    "up", cls=Verb, short_help="set this machine up and start Quantix on it", examples=("make up", "qx up")
)
@click.pass_obj
def up_command(given: Settings) -> None:
    """Set this machine up, start Quantix on it, and run examples/first-vm.yaml.

    Repeat it as you like: what is done is kept, and a second run changes nothing. Environment: QUANTIX_ROOT
    (all files below another directory), QUANTIX_KUBECONFIG (use that cluster), QUANTIX_API_PORT,
    QUANTIX_HOST_NAME, QUANTIX_CACHE (builds and downloads).
    """
    began_s = now_s()
    settings = judge_settings(given)
    require_root("make up", "installs packages and starts VMs", os.geteuid())
    neighbours.require_alone(settings.layout.root)
    with alone(settings, "make up"):
        log = open_log(settings)
        progress = Progress(given.terminal, now_s)
        if settings.since_s is None:
            show_header(settings, progress)
        run = _UpRun(settings, log, progress)
        if code := run_to_exit_code(run.work, given.terminal, log, again="make up"):
            sys.exit(code)
    for line in run.told(now_s() - (settings.since_s or began_s)):
        progress.say(line)


class _UpRun:
    """One run of `qx up`."""

    def __init__(self, settings: UpSettings, log: UpLog, progress: Progress) -> None:
        self._settings = settings
        self._log = log
        self._progress = progress
        self._changed = settings.earlier_changes
        self._state: example.ExampleState | None = None
        self._troubles: Sequence[Trouble] = ()

    async def work(self) -> int:
        settings = self._settings
        if settings.is_member:
            await self._prepare_member()
            self._changed |= await bring_member_up(settings, self._log, self._progress)
            return 0
        controlplane, guest_image = await self._prepare()
        supervisor = supervisor_of(settings.layout, Path(sys.executable))
        site = Site(settings, self._log, supervisor, describe(settings, controlplane))
        bringup = BringUp(site, guest_image)
        try:
            outcomes = await run_steps(bringup.steps(), self._progress, self._log)
        finally:
            await site.close()
        self._changed |= any(outcome.changed for outcome in outcomes.values())
        self._state, self._troubles = bringup.state, bringup.troubles
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

    async def _prepare_member(self) -> None:
        if self._settings.since_s is None:
            preparation = Preparation(self._settings, self._log, for_member=True)
            outcomes = await run_steps(preparation.steps(), self._progress, self._log)
            self._changed |= any(outcome.changed for outcome in outcomes.values())

    def told(self, took_s: float) -> list[str]:
        """What it came to, and where to go on."""
        if self._settings.is_member:
            return [member_ending(self._settings, took_s, changed=self._changed)]
        if self._state is None:
            return []
        return ending(
            self._state, self._troubles, took_s=took_s, changed=self._changed, settings=self._settings
        )


def ending(
    state: example.ExampleState,
    troubles: Sequence[Trouble],
    *,
    took_s: float,
    changed: bool,
    settings: UpSettings,
) -> list[str]:
    """The last lines of `qx up`: how the example is, which VMs are not as declared, where to go on. Pure."""
    parts = [f"Ready in {duration(took_s)}" + (". " if changed else ", nothing to change. ")]
    if state.address:
        parts.append(f"{example.NAME} is Running at {state.address}. ")
    elif not state.has_nic:
        parts.append(f"{example.NAME} is Running and has no NIC, so no address. ")
    elif state.trouble is None:
        parts.append(f"{example.NAME} is {state.power_state}, as its powerState says. ")
    parts += [f"{sentence} " for sentence in sentences(troubles)]
    if changed:
        parts.append(f"kubeconfig: {settings.admin_kubeconfig}")
    commands = [trouble.command for trouble in troubles[:1]]
    if changed:
        commands += ["qx status", f"qx vm console {example.NAME}"] if state.address else ["qx status"]
    if not commands:
        return ["".join(parts).rstrip()]
    if settings.is_machines_own:
        suggestions = [*commands, *(["kubectl get vm"] if changed else [])]
    else:
        prefix = f"QUANTIX_ROOT={settings.layout.root} {settings.venv}/bin/"
        suggestions = [prefix + commands[0]]
        if changed:
            suggestions.append(f"kubectl --kubeconfig {settings.admin_kubeconfig} get vm")
    return ["".join(parts).rstrip(), f"  Try          {'   ·   '.join(suggestions)}"]
