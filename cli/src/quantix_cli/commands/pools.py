"""`qx pool create|set`."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import Any

import click

from quantix_cli import fetch
from quantix_cli.commands import making
from quantix_cli.commands.selecting import selecting
from quantix_cli.destinations import default_pool
from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.nouns import NOUNS, Manifest
from quantix_cli.options import Invocation, write_options
from quantix_cli.selection import Selection
from quantix_cli.session import Session
from quantix_client.errors import Forbidden

_NO_DEFAULT = (
    "No pool is the default now: name one by --pool POOL, of further disks by --disk SIZE,pool=POOL; or "
    "qx pool set POOL --default."
)
_OVERCOMMIT = click.option(
    "--overcommit",
    type=click.IntRange(100, 10000),
    metavar="PERCENT",
    help="Space that may be promised, of the space that there is; 200 if left out.",
)


def create_command(_: str) -> click.Command:
    """The command `qx pool create NAME`."""

    @click.command(
        "create",
        cls=Verb,
        short_help="make a pool of a directory on each host",
        examples=("qx pool create fast --path /srv/fast", "qx pool create fast --path /srv/fast --dry-run"),
    )
    @click.argument("name")
    @click.option(
        "--path", required=True, metavar="DIR", help="The directory, which has to be there on each host."
    )
    @click.option("--default", is_flag=True, help="What new volumes and images get.")
    @_OVERCOMMIT
    @making.LABEL
    @making.NO_WAIT
    @write_options
    def command(
        invocation: Invocation, name: str, path: str, labels: tuple[str, ...], no_wait: bool, **given: Any
    ) -> None:
        """Make a pool of a directory on each host, such as where a disk is mounted. Its path never
        changes.
        """
        spec = making.present(
            dir={"path": absolute(without_slash(path))},
            default=given["default"],
            overcommitPercent=given["overcommit"],
        )
        making.make(invocation, "pool", name, spec, labels=labels, wait=not no_wait)

    return command


def without_slash(path: str) -> str:
    """The path as a pool has it: a shell that completes the name of a directory adds a slash. Pure."""
    return path.rstrip("/") or path


def absolute(path: str) -> str:
    """The path as it is. Raises CommandError (2) for a relative one: hosts do not know where it begins."""
    if path.startswith("/"):
        return path
    said = f"{path} does not begin with /: a pool is the same directory on each host."
    raise CommandError(Exit.USAGE, said, f"--path {shlex.quote(str(Path(path).resolve()))}")


def set_command(_: str) -> click.Command:
    """The command `qx pool set NAME...`."""

    @click.command(
        "set",
        cls=Verb,
        short_help="change which pool is the default, and how much may be promised",
        examples=("qx pool set local --no-default", "qx pool set fast --default --overcommit 150"),
    )
    @selecting(NOUNS["pool"])
    @click.option("--default/--no-default", default=None, help="Whether new volumes and images get it.")
    @_OVERCOMMIT
    @making.LABEL_CHANGE
    @write_options
    def command(
        invocation: Invocation,
        selection: Selection,
        default: bool | None,
        overcommit: int | None,
        labels: tuple[str, ...],
    ) -> int:
        """Change pools. Of several that are the default, the oldest counts."""
        making.refuse_nothing(default=default, overcommit=overcommit, labels=labels)
        wanted = {"default": default, "overcommitPercent": overcommit}
        spec = {key: value for key, value in wanted.items() if value is not None}

        def patch_of(live: Manifest) -> Manifest:
            return making.news(live, spec)

        then = tell_no_default if default is False else None
        return making.change(invocation, "pool", selection, patch_of, labels, then)

    return command


async def tell_no_default(session: Session) -> None:
    """Say it where no pool is the default any more: what names none is refused from now on, or waits."""
    with contextlib.suppress(Forbidden):
        if not default_pool(await fetch.objects_of(session, NOUNS["pool"])):
            session.terminal.note(_NO_DEFAULT)
