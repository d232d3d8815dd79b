"""`qx cluster join`: make this machine a host of another one's cluster. `make join` prepares it before."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import replace

import click

from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.options import Invocation, common_options
from quantix_cli.terminal import Terminal

_MOST_LETTERS = 64 * 1024


def join_command(_: str) -> click.Command:
    """The command `qx cluster join`."""

    @click.command(
        "join",
        cls=Verb,
        short_help="bring this machine into the cluster that a word is from",
        examples=("make join", "qx cluster join", "qx cluster join --address 10.0.0.12"),
    )
    @click.option(
        "--address",
        metavar="ADDRESS",
        help="Where the other hosts reach this machine; that towards the API, if left out.",
    )
    @common_options
    def command(invocation: Invocation, address: str | None) -> None:
        """Join the cluster whose word is on standard input, as the host that it names (qx host add).

        Repeat it as you like. This machine gets no control plane of its own.
        """
        _join(invocation, address)

    return command


def _join(invocation: Invocation, address: str | None) -> None:
    # they load aiohttp
    from quantix_cli.joining_word import parse_word
    from quantix_cli.place import read_place
    from quantix_cli.up import neighbours
    from quantix_cli.up.membership import bring_member_up, member_ending
    from quantix_cli.up.run.alone import alone
    from quantix_cli.up.run.progress import Progress
    from quantix_cli.up.run.runner import now_s, open_log, require_root, run_to_exit_code
    from quantix_cli.up.settings import judge_settings
    from quantix_cli.up.start.addresses import own_address
    from quantix_cli.up.start.member import api_address, keep_word, refuse_other_place

    began_s = now_s()
    settings = judge_settings(invocation.settings)
    require_root("make join", "installs packages and starts VMs", os.geteuid())
    neighbours.require_alone(settings.layout.root)
    word = parse_word(_read_word(invocation.terminal))
    refuse_other_place(settings.layout, settings.place, word, invocation.settings.asked_host_name)
    own = own_address(address or (settings.place.address if settings.place else None), api_address(word))
    with alone(settings, "make join"):
        log, progress = open_log(settings), Progress(invocation.terminal, now_s)
        changed = settings.earlier_changes

        async def work() -> int:
            nonlocal settings, changed
            await keep_word(settings.layout, word, own)
            settings = replace(settings, place=read_place(settings.layout.place), host_name=word.host)
            changed |= await bring_member_up(settings, log, progress)
            return 0

        if code := run_to_exit_code(work, invocation.terminal, log, again="make join"):
            raise click.exceptions.Exit(code)
    took_s = now_s() - (settings.since_s or began_s)
    progress.say(member_ending(settings, took_s, changed=changed))


def _read_word(terminal: Terminal) -> str:
    """What stands on standard input; at a terminal it is asked for, and not shown."""
    if not sys.stdin.isatty():
        return sys.stdin.read(_MOST_LETTERS)
    try:
        return getpass.getpass("Word of qx host add: ")
    except EOFError as error:
        raise CommandError(Exit.USAGE, "No word was given.", "echo WORD | make join") from error
