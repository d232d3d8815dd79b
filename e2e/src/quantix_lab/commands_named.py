"""The commands of `qx` and `make` that a text names, resolved against the grammar, with their flags.

For tests that no message, help text or page names a command that this version does not have.
"""

from __future__ import annotations

import re

import click

from quantix_cli.grammar import Root
from quantix_lab.checkout import CHECKOUT

_MAKEFILE = (CHECKOUT / "Makefile").read_text()
MAKE_TARGETS = {
    *re.findall(r"^([a-z0-9-]+):", _MAKEFILE, re.MULTILINE),
    *re.findall(r"bench-[a-z]+", next(line for line in _MAKEFILE.splitlines() if line.startswith("BENCHES"))),
}
COMMAND = re.compile(r"(?<![\w/.-])(qx|make) ([A-Za-z<{-][\w{}<>-]*)(?:[ ]([\w{}<>-]+))?([^,;.()·`]*)")
# words that follow "qx" and "make" where they are part of a sentence
PROSE = {
    "qx": {"offer", "or", "and", "NOUN", "up:", "may"},
    "make": {"a", "an", "any", "clean:", "it", "keys", "room", "sense", "the"},
}
ANY = "<any>"
"""Stands for a value that is filled in at run time."""


def what_is_wrong(text: str) -> list[str]:
    """The commands in `text` that do not exist."""
    found = []
    for match in COMMAND.finditer(" ".join(text.split())):
        program, first, second, rest = match.groups()
        if first in PROSE[program]:
            continue
        if program == "make":
            wrong = first not in MAKE_TARGETS
        else:
            wrong = not is_a_command(first, second or "", rest)
        if wrong:
            found.append(match[0].strip())
    return found


def is_a_command(first: str, second: str, rest: str) -> bool:
    """Whether `qx FIRST SECOND` exists and has the flags in `rest`."""
    if first.startswith(("-", "<", "{")):
        return first in ("--help", "-h") or not first.startswith("-")
    root = Root("qx")
    context = click.Context(root, info_name="qx")
    command = root.get_command(context, first)
    if isinstance(command, click.Group):
        if second.startswith(("<", "{")) or second in ("", "VERB"):
            return True
        command = command.get_command(click.Context(command, parent=context), second)
    if command is None:
        return False
    flags = {"--help"} | {flag for param in command.params for flag in (*param.opts, *param.secondary_opts)}
    return {word for word in f"{second} {rest}".split() if re.fullmatch("--[a-z-]+", word)} <= flags
