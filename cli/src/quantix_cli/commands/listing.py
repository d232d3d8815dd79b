"""`qx NOUN list`: a table of objects, or the objects themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click
import yaml

from quantix_cli import fetch
from quantix_cli.commands.selecting import selecting
from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import NOUNS, Manifest, Noun, World, header, row
from quantix_cli.options import Invocation, common_options
from quantix_cli.selection import Selection
from quantix_cli.session import Session
from quantix_cli.tables import Cell, table
from quantix_cli.terminal import Terminal

FORMATS = ("table", "wide", "json", "yaml", "name")


def list_command(word: str) -> click.Command:
    """The command `qx WORD list`."""
    noun = NOUNS[word]

    @click.command("list", short_help=f"{noun.plural} with their state and the reason for it")
    @selecting
    @click.option("-o", "--output", type=click.Choice(FORMATS), default="table", show_default=True)
    @click.option("--columns", default="", metavar="A,B", help="Only these columns, in this order.")
    @click.option("--sort", default="", metavar="COLUMN", help="Sort by this column.")
    @click.option("--no-header", is_flag=True, help="No line of column titles.")
    @common_options
    def command(
        invocation: Invocation, selection: Selection, output: str, columns: str, sort: str, no_header: bool
    ) -> None:
        async def read(session: Session) -> tuple[tuple[Manifest, ...], World]:
            picked, seen = await fetch.selected(session, noun, selection)
            return picked.objects, seen

        objects, seen = invocation.run(read)
        if output in ("table", "wide"):
            view = View(
                tuple(filter(None, columns.upper().split(","))), sort.upper(), not no_header, invocation
            )
            print_table(objects, noun, seen, view)
        else:
            print_objects(objects, noun, output, invocation.terminal)

    return command


class View:
    """How a table is wanted."""

    def __init__(self, columns: Sequence[str], sort: str, heading: bool, invocation: Invocation) -> None:
        self.columns = columns
        self.sort = sort
        self.heading = heading
        self.terminal = invocation.terminal
        self.all_namespaces = invocation.all_namespaces


def print_table(objects: Sequence[Manifest], noun: Noun, seen: World, view: View) -> None:
    """One line an object; the reason column only where some row has one. Raises CommandError (2)."""
    if not objects:
        view.terminal.note(f"0 {noun.plural}")
        return
    titles = header(noun)
    rows = [row(obj, noun, seen) for obj in objects]
    if view.all_namespaces and noun.resource.namespaced:
        titles = ("NAMESPACE", *titles)
        rows = [(Cell(o["metadata"].get("namespace", "")), *r) for o, r in zip(objects, rows, strict=True)]
    if view.sort:
        place = _place(view.sort, titles)
        rows.sort(key=lambda r: r[place].text)
    if view.columns:
        places = [_place(column, titles) for column in view.columns]
    else:
        bare = view.terminal.is_tty and not any(r[-1].text for r in rows)
        places = list(range(len(titles) - bare))
    shown = [[r[i] for i in places] for r in rows]
    for line in table([titles[i] for i in places], shown, view.terminal, heading=view.heading):
        view.terminal.out(line)


def print_objects(objects: Sequence[Manifest], noun: Noun, output: str, terminal: Terminal) -> None:
    """The API's objects unchanged, or the names that kubectl takes."""
    if output == "name":
        for obj in objects:
            terminal.out(f"{noun.resource.plural}.{noun.resource.group}/{obj['metadata']['name']}")
        return
    whole = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    terminal.out(
        json.dumps(whole, indent=2) if output == "json" else yaml.safe_dump(whole, sort_keys=False).rstrip()
    )


def _place(column: str, titles: Sequence[str]) -> int:
    if column not in titles:
        raise CommandError(Exit.USAGE, f"There is no column {column}.", f"one of {', '.join(titles)}")
    return list(titles).index(column)
