"""`qx NOUN set` of what can be protected and labelled, and changed in no other way."""

from __future__ import annotations

import click

from quantix_cli.commands import making
from quantix_cli.commands.selecting import selecting
from quantix_cli.helping import Verb
from quantix_cli.nouns import NOUNS
from quantix_cli.options import Invocation, write_options
from quantix_cli.selection import Selection


def protection_and_labels(word: str, about: str, examples: tuple[str, ...]) -> click.Command:
    """The command of the noun `word`; `about` is its help."""

    @click.command(
        "set",
        cls=Verb,
        help=about,
        short_help=f"change protection and labels of {word}s",
        examples=examples,
    )
    @selecting(NOUNS[word])
    @making.PROTECT_CHANGE
    @making.LABEL_CHANGE
    @write_options
    def command(
        invocation: Invocation, selection: Selection, protection: bool | None, labels: tuple[str, ...]
    ) -> int:
        making.refuse_nothing(protection=protection, labels=labels)
        spec = {} if protection is None else {"deletionProtection": protection}
        return making.change(
            invocation, word, selection, lambda live: making.news(live, spec), labels, protection=protection
        )

    return command
