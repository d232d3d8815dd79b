"""The help of a command: what is its own, with examples. What all commands share is told by `qx --help`.

Used by every module of `commands`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from quantix_cli.other_words import option_elsewhere

_WORTH_NAMING = ("-n", "-y", "--dry-run", "--show-yaml")


class CommonOption(click.Option):
    """An option of every command: parsed there, and told by `qx --help` alone."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        return None

    def record(self, ctx: click.Context) -> tuple[str, str]:
        """How it is written, and what it does."""
        found = super().get_help_record(ctx)
        assert found is not None
        return found


class Verb(click.Command):
    """A command whose help ends with examples."""

    def __init__(self, *args: Any, examples: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            noun = str(ctx.parent.command.name) if ctx.parent else ""
            meant = option_elsewhere(noun, str(self.name), error.option_name)
            if not meant:
                raise
            said = f"There is no option {error.option_name} here. Did you mean {meant}?"
            raise click.UsageError(said, ctx) from error

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")
        formatter.write_paragraph()
        formatter.write(f"Options of every command{self._some_of_them()}: qx --help\n")

    def _some_of_them(self) -> str:
        common = {param.opts[0] for param in self.params if isinstance(param, CommonOption)}
        known = [word for word in _WORTH_NAMING if word in common]
        return f" ({', '.join(known)} …)" if known else ""
