"""`qx image upload FILE`: an image of a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from quantix_cli.exits import CommandError, Exit
from quantix_cli.naming import Name, parse_name
from quantix_cli.options import Invocation, common_options
from quantix_cli.session import Session

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")


def upload_command(_: str) -> click.Command:
    """The command `qx image upload FILE`."""

    @click.command("upload", short_help="make an image of a file")
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    @click.option("--name", default="", help="NAME or shared/NAME; default: from the file's name.")
    @click.option("--no-wait", is_flag=True, help="Return once the file was sent.")
    @common_options
    def command(invocation: Invocation, file: Path, name: str, no_wait: bool) -> None:
        image = parse_name(name, "image") if name else Name(_name_from(file))

        from quantix_cli.uploading import upload  # loads aiohttp

        async def act(session: Session) -> str:
            namespace = image.namespace or session.namespace
            if namespace is None:
                raise CommandError(Exit.USAGE, "In which namespace is the image to be?", "-n NAMESPACE")
            return await upload(replace(session, namespace=namespace), file, image.name, wait=not no_wait)

        invocation.terminal.out(f"{image}  sha256:{invocation.run(act)}")

    return command


def _name_from(file: Path) -> str:
    stem = (
        file.name.lower()
        .removesuffix(".qcow2")
        .removesuffix(".img")
        .removesuffix(".raw")
        .removesuffix(".iso")
    )
    return "".join(c if c in _NAME_CHARACTERS else "-" for c in stem).strip("-.") or "image"
