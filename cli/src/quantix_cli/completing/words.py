"""Which words may come next on a command line of `qx`. Pure but for loading the command that was typed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from quantix_cli.grammar import NOUNS, Root, noun_first

FILES = ":files"
"""Offered alone where a file is meant: the shell then completes one by itself."""

# options whose value is the name of an object
_NOUN_OF_OPTION = {
    option: noun
    for noun, options in {
        "image": ("--image", "--iso"),
        "network": ("--network", "--external", "--add-network", "--remove-network"),
        "volume": ("--volume",),
        "securitygroup": ("--group", "--from", "--to"),
        "host": ("--host",),
        "vm": ("--vm",),
        "pool": ("--pool",),
        "instancetype": ("--type", "--instance-type"),
    }.items()
    for option in options
}
_OF_ONE_COMMAND = {"migrate": {"--to": "host"}}
"""Where the same word means another kind."""
# arguments that name an object of another noun than the command's
_NOUN_OF_ARGUMENT = {"vm": "vm", "host": "host"}
_PLACES = {
    "-n": "namespace",
    "--namespace": "namespace",
    "--context": "context",
    "--kubeconfig": "kubeconfig",
}

Names = Callable[[str], Iterable[str]]
"""The names of the objects of a noun."""


@dataclass(frozen=True)
class Typed:
    """A command line up to the cursor: the command, the words after it, and the one that is being typed."""

    command: click.Command
    noun: str
    rest: tuple[str, ...]
    current: str


def candidates(words: Sequence[str], names: Names) -> list[str]:
    """What may stand in place of the last word, which may be empty; `FILES` alone for a file."""
    *before, current = words or [""]
    root = Root("qx")
    context = click.Context(root, info_name="qx")
    before = noun_first(before)
    noun, *rest = before or [""]
    if not before:
        return _that_fit(root.list_commands(context), current)
    group = root.get_command(context, noun)
    if isinstance(group, click.Group):
        rest = noun_first(rest)
        inner = click.Context(group, info_name=noun, parent=context)
        if not rest:
            return _that_fit(group.list_commands(inner), current)
        command = group.get_command(inner, rest[0])
        noun, rest = str(group.name), rest[1:]
    else:
        command = group
    if command is None:
        return []
    return _of_command(Typed(command, noun, tuple(rest), current), names)


def place_of(words: Sequence[str]) -> Mapping[str, str]:
    """Which cluster and namespace the command line names: `kubeconfig`, `context`, `namespace`."""
    found = {}
    for option, value in zip(words, [*words[1:], ""], strict=True):
        name, equals, inline = option.partition("=")
        if name in _PLACES:
            found[_PLACES[name]] = inline if equals else value
    return found


def _of_command(typed: Typed, names: Names) -> list[str]:
    options = [
        param for param in typed.command.params if isinstance(param, click.Option) and not param.hidden
    ]
    asked = next((o for o in options if typed.rest and typed.rest[-1] in (*o.opts, *o.secondary_opts)), None)
    if asked is not None and not asked.is_flag:
        return _of_option(asked, typed, names)
    if typed.current.startswith("-"):
        flags = [flag for option in options for flag in (*option.opts, *option.secondary_opts)]
        return _that_fit(sorted(flag for flag in flags if flag.startswith("--")), typed.current)
    return _of_argument(typed, options, names)


def _of_option(option: click.Option, typed: Typed, names: Names) -> list[str]:
    current, command = typed.current, str(typed.command.name)
    if isinstance(option.type, click.Choice):
        return _that_fit([str(choice) for choice in option.type.choices], current)
    if isinstance(option.type, click.Path) or "--kubeconfig" in option.opts:
        return [FILES]
    known = {**_NOUN_OF_OPTION, **_OF_ONE_COMMAND.get(command, {})}
    noun = next((known[word] for word in option.opts if word in known), None)
    return _that_fit(names(noun), current) if noun else []


def _of_argument(typed: Typed, options: Sequence[click.Option], names: Names) -> list[str]:
    arguments = [param for param in typed.command.params if isinstance(param, click.Argument)]
    place = len(_positional(typed.rest, options))
    argument = _nth(arguments, place)
    if argument is None:
        return []
    if isinstance(argument.type, click.Path):
        return [FILES]
    if isinstance(argument.type, click.Choice):
        return _that_fit([str(choice) for choice in argument.type.choices], typed.current)
    if typed.noun == "explain":
        return _of_explain(typed, place, names)
    if argument.name in _NOUN_OF_ARGUMENT:
        return _that_fit(names(_NOUN_OF_ARGUMENT[argument.name]), typed.current)
    is_name = argument.name in ("name", "names", "source")
    if typed.noun not in NOUNS or not is_name or typed.command.name == "create":
        return []
    given = set(_positional(typed.rest, options))
    return _that_fit([name for name in names(typed.noun) if name not in given], typed.current)


def _of_explain(typed: Typed, place: int, names: Names) -> list[str]:
    """`vm/web-1`, or both words apart."""
    if place == 1:
        noun = typed.rest[-1]
        return _that_fit(names(noun), typed.current) if noun in NOUNS else []
    noun, slash, _ = typed.current.partition("/")
    if not slash:
        return _that_fit([f"{noun}/" for noun in NOUNS], typed.current)
    return _that_fit([f"{noun}/{name}" for name in names(noun)], typed.current) if noun in NOUNS else []


def _positional(words: Sequence[str], options: Sequence[click.Option]) -> list[str]:
    """The words that are neither options nor their values."""
    takes_value = {word for option in options if not option.is_flag for word in option.opts}
    found: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = word in takes_value
        else:
            found.append(word)
    return found


def _nth(arguments: Sequence[click.Argument], place: int) -> Any:
    """The argument that the word at this place belongs to; one of several words takes all that follow."""
    for argument in arguments:
        if argument.nargs == -1 or place == 0:
            return argument
        place -= 1
    return None


def _that_fit(words: Iterable[str], current: str) -> list[str]:
    return [word for word in words if word.startswith(current)]
