"""`qx completion`: what a shell needs so that Tab completes nouns, verbs, flags and names."""

from __future__ import annotations

import click

from quantix_cli import cluster
from quantix_cli.completing.names import Place, names_of
from quantix_cli.completing.shells import SCRIPTS
from quantix_cli.completing.words import candidates, place_of
from quantix_cli.exits import CommandError
from quantix_cli.helping import Verb
from quantix_cli.settings import Settings


@click.command(
    "completion",
    cls=Verb,
    short_help="completion of nouns, verbs, flags and names for bash, zsh or fish",
    examples=("source <(qx completion bash)", "qx completion fish | source"),
)
@click.argument("shell", type=click.Choice(tuple(SCRIPTS)))
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="")
@click.pass_obj
def completion_command(settings: Settings, shell: str, words: tuple[str, ...]) -> None:
    """Print what the shell needs so that Tab completes nouns, verbs, flags and the names of objects."""
    if not words:
        settings.terminal.out(SCRIPTS[shell].rstrip())
        return
    for word in candidates(words, lambda noun: _names(settings, words, noun)):
        settings.terminal.out(word)


def _names(settings: Settings, words: tuple[str, ...], noun: str) -> list[str]:
    said = place_of(words)
    try:
        target = cluster.choose(said.get("kubeconfig"), said.get("context"), settings)
    except CommandError:
        # no cluster is known here: then there are no names
        return []
    cache = settings.home / ".cache/quantix/names" if settings.home else None
    return names_of(noun, Place(target.kubeconfig, target.context, said.get("namespace"), cache))
