"""What `qx image upload` and `qx volume upload` share: the file, its format, and the name that it gives."""

from __future__ import annotations

import re
from pathlib import Path

import click

from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import NOUNS

FORMATS = ("Auto", "Qcow2", "Raw", "ISO")
FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS, case_sensitive=False),
    default="Auto",
    help="What the file is; by its content if left out. A raw disk that does not boot needs Raw.",
)
SENT = click.option("--no-wait", is_flag=True, help="Return once the file was sent.")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")


def refuse_odd_name(name: str, noun: str) -> None:
    """Raise CommandError (2) for what the API takes for no name."""
    if not _NAME.fullmatch(name):
        raise CommandError(
            Exit.USAGE,
            f"{name!r} is no name of {NOUNS[noun].one}.",
            "small letters, digits, - and ., with a letter or digit at both ends",
        )


def name_from(file: Path, noun: str) -> str:
    """The name of what is made of a file, where none is given."""
    stem = (
        file.name.lower()
        .removesuffix(".qcow2")
        .removesuffix(".img")
        .removesuffix(".raw")
        .removesuffix(".iso")
    )
    return "".join(c if c in _NAME_CHARACTERS else "-" for c in stem).strip("-.") or noun
