"""Sizes, labels and other values as they are typed, and what the API calls them.

`2GiB`, `2Gi` and `2G` all mean 2 GiB here (ux.md, section 6); of the last `qx` says so, since in YAML it is
10^9. Used by the options of commands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import click

from quantix_api.quantities import UNIT_BYTES, format_size
from quantix_cli.exits import CommandError, Exit

_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,3})?) ?([KMGTP])(i?B?)", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,3})?")
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_./]{0,314}[A-Za-z0-9])?")


def parse_size(written: str) -> str:
    """`2GiB`, `1.5Gi`, `512M` as the API writes it. Raises ValueError for anything else."""
    found = _SIZE.fullmatch(written.strip())
    if found is None and _NUMBER.fullmatch(written.strip()):
        number = written.strip()
        raise ValueError(f"{number} is no size without a unit: {number}GiB, {number}MiB or another")
    if found is None:
        raise ValueError(f"{written} is no size, such as 512MiB or 10GiB")
    size_bytes = Fraction(found[1]) * UNIT_BYTES[f"{found[2].upper()}i"]
    if size_bytes < 1 or size_bytes.denominator != 1:
        raise ValueError(f"{written} is no size, such as 512MiB or 10GiB")
    return format_size(int(size_bytes))


def is_read_as_binary(written: str) -> bool:
    """Whether elsewhere, in YAML too, `written` would be a power of ten."""
    found = _SIZE.fullmatch(written.strip())
    return found is not None and "i" not in found[3].lower()


class SizeType(click.ParamType[str]):
    """An option's size; says how one without the `i` is read."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        written = str(value)
        try:
            size = parse_size(written)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if is_read_as_binary(written) and ctx is not None and ctx.obj is not None:
            ctx.obj.terminal.note(f"{written} is read as {size}B.")
        return size


SIZE = SizeType()


def parse_pairs(written: Iterable[str], option: str) -> dict[str, str]:
    """`app=web` of each. Raises CommandError (2)."""
    pairs = {}
    for word in written:
        key, equals, value = word.partition("=")
        if not equals or not _LABEL.fullmatch(key):
            raise CommandError(Exit.USAGE, f"{option}: {word} is not KEY=VALUE.", f"{option} app=web")
        pairs[key] = value
    return pairs


def parse_changes(written: Iterable[str], option: str) -> dict[str, str | None]:
    """As `parse_pairs`, and `app-` takes the key away (None)."""
    words = list(written)
    gone = [word for word in words if word.endswith("-") and "=" not in word]
    pairs = parse_pairs([word for word in words if word not in gone], option)
    return pairs | {word[:-1]: None for word in gone}


def parse_details(written: str, option: str, allowed: Iterable[str]) -> tuple[str, dict[str, str]]:
    """`20GiB,pool=fast`: what comes first, and the details after it. Raises CommandError (2)."""
    first, *rest = written.split(",")
    known = tuple(allowed)
    details = {}
    for word in rest:
        key, equals, value = word.partition("=")
        if key not in known or not equals or not value:
            raise CommandError(
                Exit.USAGE, f"{option}: {word or 'nothing'} is no detail of it.",
                f"{option} {first},{','.join(f'{name}=…' for name in known)}",
            )  # fmt: skip
        details[key] = value
    return first, details
