"""`qx NOUN list`: a table of objects, or the objects themselves; once, or again at each change."""

from __future__ import annotations

import click

from quantix_cli import fetch
from quantix_cli.commands.selecting import selecting
from quantix_cli.helping import Verb
from quantix_cli.nouns import NOUNS, Noun
from quantix_cli.options import Invocation, common_options
from quantix_cli.rendering import (
    FORMATS,
    View,
    more_shared,
    nothing,
    object_text,
    refuse_unknown_columns,
    table_lines,
)
from quantix_cli.same_room import told_once
from quantix_cli.selection import Selection
from quantix_cli.session import Session


def list_command(word: str) -> click.Command:
    """The command `qx WORD list`."""
    noun = NOUNS[word]

    @click.command(
        "list",
        cls=Verb,
        short_help=f"{noun.plural} with their state and the reason for it",
        help=f"List {noun.plural} with their state and the reason for it.",
        examples=(f"qx {word} list --watch", f"qx {word} list --sort AGE --columns NAME,STATE"),
    )
    @selecting(noun)
    @click.option("-o", "--output", type=click.Choice(FORMATS), default="table", show_default=True)
    @click.option("--columns", default="", metavar="A,B", help="Only these columns, in this order.")
    @click.option("--sort", default="", metavar="COLUMN", help="Sort by this column.")
    @click.option("--no-header", is_flag=True, help="No line of column titles.")
    @click.option("-w", "--watch", "watching", is_flag=True, help="Go on showing what changes.")
    @common_options
    def command(
        invocation: Invocation,
        selection: Selection,
        output: str,
        columns: str,
        sort: str,
        no_header: bool,
        watching: bool,
    ) -> None:
        chosen = tuple(column.strip() for column in columns.upper().split(",") if column.strip())
        fetch.refuse_host(noun, selection.host)
        refuse_unknown_columns(noun, [*chosen, *filter(None, [sort.upper()])])

        async def act(session: Session) -> None:
            home = session.namespace if noun.resource.namespaced else None
            view = View(session.terminal, home, chosen, sort.upper(), not no_header, output == "wide")
            if watching:
                from quantix_cli.watching import watch

                await watch(session, noun, selection, output, view)
            await _show(session, noun, selection, output, view)

        invocation.run(act)

    return command


async def _show(session: Session, noun: Noun, selection: Selection, output: str, view: View) -> None:
    picked, seen = await fetch.selected(session, noun, selection)
    if output not in ("table", "wide"):
        if picked.objects or output != "name":
            session.terminal.out(object_text(picked.objects, noun, output))
        return
    seen = await fetch.with_floating(session, noun, seen)
    for line in table_lines(picked.objects, noun, seen, view) if picked.objects else ():
        session.terminal.out(line)
    if not picked.objects:
        session.terminal.note(nothing(noun))
    if noun.word == "pool":
        for said in told_once(picked.objects):
            session.terminal.note(session.terminal.plain(said))
    if count := await fetch.count_shared(session, noun, selection, seen):
        session.terminal.note(more_shared(noun, count))
