"""`qx vm console`: the guest's serial port on this terminal, or in a pipe."""

from __future__ import annotations

import click

from quantix_cli.escapes import parse_escape
from quantix_cli.exits import Exit
from quantix_cli.helping import Verb
from quantix_cli.naming import parse_name
from quantix_cli.options import Invocation, common_options
from quantix_cli.session import Session


def console_command(_: str) -> click.Command:
    """The command `qx vm console NAME`."""

    @click.command(
        "console",
        cls=Verb,
        short_help="the guest's serial port; Ctrl-] leaves",
        examples=("qx vm console web-1", "echo hostname | qx vm console web-1"),
    )
    @click.argument("name")
    @click.option(
        "--escape", default="^]", metavar="KEY", show_default=True, help="What leaves, such as ^] or ^A."
    )
    @click.option("--take", is_flag=True, help="Take a console over that somebody else is typing in.")
    @common_options
    def command(invocation: Invocation, name: str, escape: str, take: bool) -> int:
        """The guest's serial port on this terminal, or in a pipe: echo hostname | qx vm console web-1.

        In a pipe it shows what the guest prints from then on, without what it asks a terminal, and ends when
        stdin has ended and the guest has printed nothing for 2 s, or when nobody reads the output any more.
        """
        from quantix_cli.serial import attach  # loads aiohttp

        key, word = parse_escape(escape), parse_name(name, "vm").name

        async def act(session: Session) -> Exit:
            return await attach(session, word, key, take=take)

        return invocation.run(act)

    return command
