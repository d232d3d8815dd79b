"""`qx vm start|stop|restart|pause|resume`: each patches spec as a user would, and waits until it is so."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from quantix_api import resources
from quantix_api.conditions import condition_of
from quantix_api.times import parse_time, render_time
from quantix_cli import fetch
from quantix_cli.commands.grace import given_time, tell_time
from quantix_cli.commands.power_questions import ask_first
from quantix_cli.commands.selecting import UNTOUCHED, refuse_no_selection, selecting
from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.measures import duration
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.options import Invocation, write_options
from quantix_cli.selection import Selection
from quantix_cli.session import Session, each
from quantix_cli.vm.changes import not_given
from quantix_cli.vm.stopping_host import hosts_to_ask, stopping_host
from quantix_cli.waiting import is_ready, until

_OF_A_RUNNING_VM = {"pause": "paused", "reset": "reset", "resume": "resumed"}
_RESTARTS = ("restart", "reset")


@dataclass(frozen=True)
class Change:
    """`patch` of spec for a VM; `reason` of Ready=True once done, "" for any; the words that say so."""

    verb: str
    patch: Callable[[Manifest], dict[str, Any]]
    reason: str
    done: str
    already: str


@dataclass(frozen=True)
class Way:
    """How the change is carried out: whether to wait, and whether by force. `hosts`: those of the cluster,
    where it matters whether they are being stopped.
    """

    wait: bool
    grace_s: int | None = None
    hosts: Sequence[Manifest] = ()


def _start(vm: Manifest) -> dict[str, Any]:
    # a VM that is held (it powered itself off, or crashed) starts again only for a newer restart.at
    held = look(vm, "status.assignment.hold") or condition_of(vm).get("reason") in (
        "GuestShutdown",
        "QEMUCrashed",
        "GuestPanicked",
    )
    return {"powerState": "Running"} | (_restart(vm, "Graceful") if held else {})


def _restart(vm: Manifest, mode: str) -> dict[str, Any]:
    return {"restart": {"at": restart_time(vm, datetime.now(UTC)), "mode": mode}}


def restart_time(vm: Manifest, now: datetime) -> str:
    """`now`, as spec.restart.at; just after the last restart where that lies ahead, since somebody set the
    clock back: an earlier time would ask for nothing.
    """
    handled = look(vm, "status.runtime.handledRestartAt")
    return render_time(max(now, parse_time(handled) + timedelta(seconds=1)) if handled else now)


START = Change("start", _start, "Running", "runs", "runs already")
STOP = Change("stop", lambda _: {"powerState": "Stopped"}, "Stopped", "is off", "is off already")
PAUSE = Change("pause", lambda _: {"powerState": "Paused"}, "Paused", "is paused", "is paused already")
RESUME = Change("resume", lambda _: {"powerState": "Running"}, "Running", "runs", "runs already")


def _simple(change: Change, summary: str, *examples: str) -> Callable[[str], click.Command]:
    def make(_: str) -> click.Command:
        @click.command(
            change.verb,
            cls=Verb,
            short_help=summary,
            help=f"{summary[0].upper()}{summary[1:]}.",
            examples=examples,
        )
        @selecting(NOUNS["vm"])
        @click.option("--no-wait", is_flag=True, help="Return once the API has accepted it.")
        @write_options
        def command(invocation: Invocation, selection: Selection, no_wait: bool) -> int:
            return _carry_out(invocation, selection, change, Way(wait=not no_wait))

        return command

    return make


start_command = _simple(START, "start VMs", "qx vm start web-1 web-2", "qx vm start -l app=web")
pause_command = _simple(
    PAUSE, "pause VMs: they keep their memory and stop computing", "qx vm pause web-1", "qx vm pause 'web-*'"
)
resume_command = _simple(RESUME, "let paused VMs go on", "qx vm resume web-1", "qx vm resume --state Paused")


def stop_command(_: str) -> click.Command:
    """The command `qx vm stop`."""

    @click.command(
        "stop",
        cls=Verb,
        short_help="shut VMs down; by force after the grace period",
        examples=("qx vm stop web-1", "qx vm stop 'web-*' --grace 120", "qx vm stop web-1 --now"),
    )
    @selecting(NOUNS["vm"])
    @click.option("--grace", type=click.IntRange(0, 86400), metavar="SECONDS", help="Force after this time.")
    @click.option("--now", is_flag=True, help="Pull the plug: unsaved data in the guest is lost.")
    @click.option("--no-wait", is_flag=True, help="Return once the API has accepted it.")
    @write_options
    def command(
        invocation: Invocation, selection: Selection, grace: int | None, now: bool, no_wait: bool
    ) -> int:
        """Ask the guests to shut down, and end them by force after the grace period."""
        grace_s = 0 if now else grace
        patch = {"powerState": "Stopped"} | ({"gracePeriodSeconds": grace_s} if grace_s is not None else {})
        change = Change("stop", lambda _: patch, STOP.reason, STOP.done, STOP.already)
        return _carry_out(invocation, selection, change, Way(wait=not no_wait, grace_s=grace_s))

    return command


def restart_command(_: str) -> click.Command:
    """The command `qx vm restart`."""

    @click.command(
        "restart",
        cls=Verb,
        short_help="shut VMs down and start them anew",
        examples=("qx vm restart web-1", "qx vm restart -l app=web --yes"),
    )
    @selecting(NOUNS["vm"])
    @click.option("--now", is_flag=True, help="Pull the plug instead of asking the guest.")
    @click.option("--no-wait", is_flag=True, help="Return once the API has accepted it.")
    @write_options
    def command(invocation: Invocation, selection: Selection, now: bool, no_wait: bool) -> int:
        """Shut VMs down and start them anew, which brings what waits for a start into effect."""
        mode = "Force" if now else "Graceful"
        change = Change(
            "restart", lambda vm: {"powerState": "Running"} | _restart(vm, mode), "Running", "runs again", ""
        )
        return _carry_out(invocation, selection, change, Way(wait=not no_wait, grace_s=0 if now else None))

    return command


def reset_command(_: str) -> click.Command:
    """The command `qx vm reset`."""

    @click.command(
        "reset",
        cls=Verb,
        short_help="press the reset button of VMs",
        examples=("qx vm reset web-1", "qx vm reset web-1 --yes"),
    )
    @selecting(NOUNS["vm"])
    @click.option("--no-wait", is_flag=True, help="Return once the API has accepted it.")
    @write_options
    def command(invocation: Invocation, selection: Selection, no_wait: bool) -> int:
        """Press the reset button: the guest starts anew at once and loses what it has not saved.

        What waits for a restart goes on waiting: QEMU stays the same.
        """
        change = Change("reset", lambda vm: _restart(vm, "Reset"), "", "was reset", "")
        return _carry_out(invocation, selection, change, Way(wait=not no_wait, grace_s=0))

    return command


def _carry_out(invocation: Invocation, selection: Selection, change: Change, way: Way) -> int:
    refuse_no_selection(selection, NOUNS["vm"], change.verb)

    async def act(session: Session) -> Exit:
        picked, _ = await fetch.selected(session, NOUNS["vm"], selection, untouched=UNTOUCHED)
        vms = list(picked.objects)
        ask_first(session, picked, change.verb, by_force=way.grace_s == 0)
        asked = replace(way, hosts=await hosts_to_ask(session)) if change is START and vms else way
        return await each(vms, lambda vm: _change(session, vm, change, asked), session)

    return invocation.run(act)


async def _change(session: Session, vm: Manifest, change: Change, way: Way) -> None:
    name = vm["metadata"]["name"]
    spec = change.patch(vm)
    if _is_so(vm, spec, change):
        session.terminal.note(f"{name} {change.already}.")
        return
    # one that is to be paused once it has a host is let go on before
    on_its_way = change.verb == "resume" and look(vm, "spec.powerState") == "Paused"
    if change.verb in _OF_A_RUNNING_VM and _is_off(vm) and not on_its_way:
        # powerState Paused would start it, and Running, too, and a reset waits for the next start
        done = _OF_A_RUNNING_VM[change.verb]
        raise CommandError(Exit.REFUSED, f"{name} is off: it cannot be {done}.", f"qx vm start {name}")
    begun = time.monotonic()
    patched = await session.write.patch(resources.VIRTUAL_MACHINES, vm, {"spec": spec})
    if patched is None:
        return
    if change is START and (host := stopping_host(patched, way.hosts)):
        told = f"{name} starts once Quantix, which is being stopped on {host}, is started there again"
        session.terminal.note(session.terminal.plain(f"{told}: make up."))
        return
    if not way.wait:
        session.terminal.note(f"{name}: {change.verb} accepted.")
        tell_time(session, vm, spec)
        return
    async with given_time(session, vm, patched, spec):
        generation = patched["metadata"]["generation"]
        seen = await until(
            session,
            NOUNS["vm"],
            patched,
            lambda vm: (
                _handled(vm, change)
                and (is_ready(vm, generation, change.reason) or bool(_not_given(vm, generation, change)))
            ),
        )
    session.terminal.note(f"{name} {change.done} after {duration(time.monotonic() - begun)}.")
    if why := _not_given(seen, generation, change):
        session.terminal.note(session.terminal.plain(f"{name}: {why}"))


def _not_given(vm: Manifest, generation: int, change: Change) -> str:
    """What a VM that runs as asked is not given: its host may have room for it much later, or never."""
    return not_given(vm, generation) if change.reason == "Running" else ""


def _is_off(vm: Manifest) -> bool:
    off = condition_of(vm).get("reason") in ("Stopped", "GuestShutdown")
    return off or look(vm, "spec.powerState") == "Stopped" or not look(vm, "status.assignment.host")


def _is_so(vm: Manifest, spec: dict[str, Any], change: Change) -> bool:
    ready = condition_of(vm)
    # how long a guest may take to shut down is nothing to ask of one that is off
    asked = {key: value for key, value in spec.items() if key != "gracePeriodSeconds"}
    as_asked = all(look(vm, f"spec.{key}") == value for key, value in asked.items())
    there = ready.get("status") == "True" and ready.get("reason") == change.reason
    return bool(change.already) and as_asked and there


def _handled(vm: Manifest, change: Change) -> bool:
    """Whether the restart that spec asks for has been done."""
    if change.verb not in _RESTARTS:
        return True
    return bool(look(vm, "status.runtime.handledRestartAt", "") >= look(vm, "spec.restart.at", ""))
