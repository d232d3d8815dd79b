"""The options that choose objects, shared by all verbs that take names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from quantix_cli.exits import CommandError, Exit
from quantix_cli.naming import shown
from quantix_cli.nouns import Noun
from quantix_cli.options import with_options
from quantix_cli.questions import confirm
from quantix_cli.rendering import nothing
from quantix_cli.selection import Picked, Selection, expand
from quantix_cli.session import Session

UNTOUCHED = "Nothing was changed."
"""What is said of the other names where one of several means nothing."""


def selecting(noun: Noun) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add NAME... and the filters to a command of `noun`; the function gets one `selection`."""
    options = (
        click.option("--all", "everything", is_flag=True, help="All of them."),
        click.option("--reason", "reasons", multiple=True, help="Only with this reason (repeatable)."),
        click.option("--state", "states", multiple=True, help="Only in this state (repeatable)."),
        # where it means nothing it is refused with what helps instead
        click.option(
            "--host", default="", metavar="HOST", hidden=not noun.on_hosts, help="Only on this host."
        ),
        click.option(
            "-l", "--selector", "selector", default="", metavar="LABEL", help="Only with these labels."
        ),
        click.argument("names", nargs=-1, metavar="[NAME...]"),
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        return with_options(_with_selection(function), options)

    return decorate


def _with_selection(function: Callable[..., Any]) -> Callable[..., Any]:
    def with_selection(*args: Any, **given: Any) -> Any:
        selection = Selection(
            names=expand(given.pop("names")),
            labels=given.pop("selector"),
            host=given.pop("host"),
            states=given.pop("states"),
            reasons=given.pop("reasons"),
            everything=given.pop("everything"),
        )
        return function(*args, selection=selection, **given)

    with_selection.__doc__ = function.__doc__
    with_selection.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    return with_selection


def refuse_no_selection(selection: Selection, noun: Noun, verb: str) -> None:
    """Raise CommandError (2) where nobody said which objects are meant: for what changes them."""
    if not selection.names and not selection.by_filter:
        raise CommandError(Exit.USAGE, f"Which {noun.singular}?", f"qx {noun.word} {verb} NAME")


def confirm_selection(verb: str, picked: Picked, noun: Noun, session: Session) -> None:
    """Ask where a glob, a label or a filter has picked several; nothing where each name was typed out."""
    names = [shown(obj, session.namespace) for obj in picked.objects]
    if not names:
        session.terminal.note(nothing(noun))
    if not picked.typed_out and len(names) > 1:
        question = f"{verb} these {len(names)} {noun.plural}?"
        confirm(question, names, assume_yes=session.assume_yes, terminal=session.terminal)
