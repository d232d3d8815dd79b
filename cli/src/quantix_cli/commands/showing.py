"""`qx NOUN show`: objects as the API has them."""

from __future__ import annotations

import click

from quantix_cli import fetch
from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.nouns import NOUNS, Manifest
from quantix_cli.options import Invocation, common_options
from quantix_cli.rendering import object_text, one_object, tidy
from quantix_cli.selection import Selection, expand
from quantix_cli.session import Session


def show_command(word: str) -> click.Command:
    """The command `qx WORD show NAME...`."""
    noun = NOUNS[word]

    @click.command(
        "show",
        cls=Verb,
        short_help=f"{noun.one} as the API has it",
        help=f"Show {noun.plural} as the API has them.",
        examples=(f"qx {word} show NAME", f"qx {word} show NAME -o json"),
    )
    @click.argument("names", nargs=-1, metavar="NAME...")
    @click.option(
        "-o", "--output", type=click.Choice(("yaml", "json", "name")), default="yaml", show_default=True
    )
    @common_options
    def command(invocation: Invocation, names: tuple[str, ...], output: str) -> None:
        if not names:
            raise CommandError(Exit.USAGE, f"Which {noun.singular}?", f"qx {noun.word} list")

        async def read(session: Session) -> tuple[Manifest, ...]:
            picked, _ = await fetch.selected(session, noun, Selection(names=expand(names)))
            return picked.objects

        objects = list(tidy(invocation.run(read)))
        if len(objects) == 1 and output != "name":
            invocation.terminal.out(one_object(objects[0], output))
        else:
            invocation.terminal.out(object_text(objects, noun, output))

    return command
