"""No message, hint or help text names a command that this version does not have.

The commands are taken out of the texts of the sources and resolved against the grammar, with their flags.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from quantix_api.message_template import Template
from quantix_api.messages import TABLE
from quantix_cli.grammar import COMMANDS, NOUNS, Root
from quantix_cli.helping import Verb
from quantix_lab.checkout import CHECKOUT
from quantix_lab.commands_named import ANY, what_is_wrong
from quantix_lab.source_trees import modules, nodes, sources


def texts(source: Path) -> Iterator[str]:
    """Every string of a module that is not a docstring, f-strings in one piece."""
    skipped: set[int] = set()
    for node in nodes(source):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else ANY for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.value


def helps() -> Iterator[str]:
    """The help of `qx`, of every noun and of every command."""
    root = Root("qx", help="")
    context = click.Context(root, info_name="qx")
    for word in root.list_commands(context):
        command = root.get_command(context, word)
        assert command is not None
        inner = click.Context(command, info_name=word, parent=context)
        if isinstance(command, click.Group):
            yield command.get_help(inner)
            for verb in command.list_commands(inner):
                known = command.get_command(inner, verb)
                assert isinstance(known, Verb)
                yield from _parts_of_help(known, click.Context(known, info_name=verb, parent=inner))
        else:
            assert isinstance(command, Verb)
            yield from _parts_of_help(command, inner)


def _parts_of_help(command: Verb, context: click.Context) -> Iterator[str]:
    """What is told, and each example on its own."""
    yield command.get_help(context).partition("Examples:")[0]
    yield from command.examples


@pytest.mark.parametrize("template", TABLE, ids=lambda t: f"{t.reason}-{t.where}")
def test_every_message_names_commands_that_exist(template: Template) -> None:
    assert what_is_wrong(f"{template.sentence}; {template.hint}") == []


@pytest.mark.parametrize(
    "source",
    [*sources(), *modules(CHECKOUT / "controlplane")],
    ids=lambda path: str(path.relative_to(CHECKOUT)),
)
def test_every_text_in_the_sources_names_commands_that_exist(source: Path) -> None:
    assert [wrong for text in texts(source) for wrong in what_is_wrong(text)] == []


def test_every_help_text_and_the_readme_name_commands_that_exist() -> None:
    code = re.findall(r"`([^`]+)`|^\$ (.*)$", (CHECKOUT / "README.md").read_text(), re.MULTILINE)
    assert [wrong for text in helps() for wrong in what_is_wrong(text)] == []
    assert [wrong for pair in code for wrong in what_is_wrong("".join(pair))] == []


def commands() -> Iterator[Verb]:
    """Every command that can be typed."""
    root = Root("qx")
    context = click.Context(root, info_name="qx")
    for word in root.list_commands(context):
        command = root.get_command(context, word)
        if isinstance(command, click.Group):
            inner = click.Context(command, info_name=word, parent=context)
            found = [command.get_command(inner, verb) for verb in command.list_commands(inner)]
        else:
            found = [command]
        for verb in found:
            assert isinstance(verb, Verb)
            yield verb


def test_every_command_says_what_it_does_and_shows_how_it_is_typed() -> None:
    silent = [command.name for command in commands() if not (command.help and command.examples)]
    assert silent == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("qx drill on a control-plane host", ["qx drill on a control-plane host"]),
        ("look at it with qx rehearse; it goes on", ["qx rehearse"]),
        ("qx vm stop web-1 --force stops it", ["qx vm stop web-1 --force stops it"]),
        ("qx vm stop {name} --now pulls the plug, or make up", []),
        ("make install", ["make install"]),
        (f"qx vm {ANY} NAME", []),
        ("what forms and qx offer; make a new one", []),
    ],
)
def test_a_command_that_does_not_exist_is_found(text: str, wrong: list[str]) -> None:
    assert what_is_wrong(text) == wrong


def test_the_grammar_has_a_place_for_every_word() -> None:
    assert all(verbs for _, verbs in NOUNS.values())
    assert all(":" in place for place in COMMANDS.values())
