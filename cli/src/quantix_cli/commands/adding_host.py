"""`qx host add`: let one more machine into this cluster. For root, on the machine with the control plane."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.options import Invocation, common_options

if TYPE_CHECKING:
    from quantix_cli.joining_word import JoiningWord


def add_command(_: str) -> click.Command:
    """The command `qx host add NAME --print`."""

    @click.command(
        "add",
        cls=Verb,
        short_help="let one more machine into this cluster",
        examples=("qx host add h2 --print", "qx host add h2 --print --address 10.0.0.11"),
    )
    @click.argument("name")
    @click.option("--print", "prints", is_flag=True, help="Print what to type on that machine.")
    @click.option(
        "--address",
        metavar="ADDRESS",
        help="Where others reach this machine; as the first time, or towards its default route, if left out.",
    )
    @common_options
    def command(invocation: Invocation, name: str, prints: bool, address: str | None) -> None:
        """Open this machine to others, and make a word with which exactly host NAME joins within an hour.

        The control plane and hostd begin anew the first time; VMs run on.
        """
        if not prints:
            said = "Installing Quantix on another machine over SSH is not built yet."
            raise CommandError(Exit.USAGE, said, f"qx host add {name} --print, and type it there")
        if invocation.kubeconfig or invocation.context:
            said = "A host is added to the cluster whose control plane runs on this machine."
            raise CommandError(Exit.USAGE, said, f"qx host add {name} --print, without --kubeconfig")
        _add(invocation, name, address)

    return command


def _add(invocation: Invocation, name: str, address: str | None) -> None:
    from quantix_cli.up.adding import Adding  # loads aiohttp
    from quantix_cli.up.run.alone import alone
    from quantix_cli.up.run.progress import Progress
    from quantix_cli.up.run.runner import now_s, open_log, require_root, run_to_exit_code
    from quantix_cli.up.settings import is_host_name, judge_settings, no_host_name

    if not is_host_name(name):
        raise CommandError(Exit.USAGE, no_host_name(name), "qx host add h2 --print")
    again = f"qx host add {name} --print"
    settings = judge_settings(invocation.settings)
    require_root(again, "opens this machine to others", os.geteuid())
    with alone(settings, again):
        adding = Adding(settings, name, address)
        log, progress = open_log(settings), Progress(invocation.terminal, now_s, sys.stderr)

        async def work() -> int:
            await adding.work(log, progress)
            return 0

        if code := run_to_exit_code(work, invocation.terminal, log, again=again):
            raise click.exceptions.Exit(code)
    assert adding.word is not None
    invocation.terminal.note(
        f"On {name}, as root, in a checkout of Quantix (the line holds a secret, good for one hour):"
    )
    invocation.terminal.out(joining_line(adding.word))


def joining_line(word: JoiningWord) -> str:
    """What is typed on the other machine: the word on standard input, where no process shows it. Pure."""
    from quantix_cli.joining_word import render_word

    return f"echo {render_word(word)} | make join"
