"""`qx volume upload`: a volume of a file, with no image beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from quantix_cli import fetch
from quantix_cli.amounts import SIZE
from quantix_cli.commands import files, making
from quantix_cli.commands.volumes import encryption
from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.mentions import Mention
from quantix_cli.naming import Name, parse_name
from quantix_cli.nouns import Manifest
from quantix_cli.options import Invocation, write_options
from quantix_cli.session import Session


def upload_command(_: str) -> click.Command:
    """The command `qx volume upload FILE`."""

    @click.command(
        "upload",
        cls=Verb,
        short_help="make a volume of a file",
        examples=(
            "qx volume upload web-1.qcow2",
            "qx volume upload disk.raw --name files-data --format Raw --size 100GiB --pool fast",
        ),
    )
    @files.FILE
    @click.option("--name", default="", help="Its name; default: from the file's name.")
    @click.option(
        "--size", type=SIZE, metavar="SIZE", help="Its size; default: as large as the disk in the file."
    )
    @files.FORMAT
    @click.option(
        "--secret", default="", metavar="SECRET[/KEY]", help="Encrypt it; the Secret holds the passphrase."
    )
    @click.option("--pool", default="", metavar="POOL", help="Where its data is; default: the default pool.")
    @making.PROTECT
    @files.SENT
    @write_options
    def command(invocation: Invocation, file: Path, name: str, no_wait: bool, **given: Any) -> None:
        """Make a volume of a file: it is declared, the file is sent, and the host checks it and copies it
        into the volume. No image is left behind. A VM that is to have it names it in spec.disks.
        """
        meant = parse_name(name, "volume") if name else Name(files.name_from(file, "volume"))
        files.refuse_odd_name(meant.name, "volume")
        spec = _sent(**given)

        from quantix_cli.uploading import VOLUME, Sent, upload  # loads aiohttp

        async def act(session: Session) -> Sent | None:
            if session.namespace is None:
                raise CommandError(Exit.USAGE, "In which namespace is the volume to be?", "-n NAMESPACE")
            await fetch.refuse_missing(session, session.namespace, spec, own=Mention("volume", meant.name))
            return await upload(session, file, meant.name, spec, product=VOLUME, wait=not no_wait)

        sent = invocation.run(act)
        if sent is None:
            return
        invocation.terminal.out(f"{meant}  sha256:{sent.digest}")
        invocation.terminal.note(f"A VM has it by   volume: {meant}   in spec.disks.")

    return command


def _sent(*, size: str | None, form: str, secret: str, pool: str, protect: bool) -> Manifest:
    """The spec of a volume that is made of a file, of the options of `upload`."""
    source: Manifest = {"upload": making.present(format=form if form != "Auto" else None)}
    return {"source": source} | making.present(
        size=size, pool=pool, encryption=encryption(secret), deletionProtection=protect
    )
