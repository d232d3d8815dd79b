"""`qx image upload|create|set`: images of files, here or on a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from quantix_cli.amounts import SIZE
from quantix_cli.commands import files, making
from quantix_cli.commands.selecting import selecting
from quantix_cli.destinations import of_object, refuse_placeless
from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.naming import Name, parse_name
from quantix_cli.nouns import NOUNS, Manifest
from quantix_cli.options import Invocation, write_options
from quantix_cli.selection import Selection
from quantix_cli.session import Session

_HTTP = ("http://", "https://")


def _user(_: click.Context, __: click.Parameter, written: str) -> str:
    from quantix_cli.commands.ssh import USER  # what other commands do not have to load

    if written and not USER.fullmatch(written):
        raise click.BadParameter(f"{written!r} is no name of a user")
    return written


_LOGIN_USER = click.option(
    "--login-user",
    default="",
    metavar="USER",
    callback=_user,
    help="Who logs in to guests made from it.",
)


def upload_command(_: str) -> click.Command:
    """The command `qx image upload FILE`."""

    @click.command(
        "upload",
        cls=Verb,
        short_help="make an image of a file",
        examples=(
            "qx image upload debian-13.qcow2",
            "qx image upload disk.raw --name shared/mine --format Raw --login-user debian",
        ),
    )
    @files.FILE
    @click.option("--name", default="", help="NAME or shared/NAME; default: from the file's name.")
    @files.FORMAT
    @click.option(
        "--max-size", type=SIZE, metavar="SIZE", help="Largest disk that it may describe; 2TiB if left out."
    )
    @_LOGIN_USER
    @files.SENT
    @write_options
    def command(invocation: Invocation, file: Path, name: str, no_wait: bool, **given: Any) -> None:
        """Make an image of a file: it is declared, the file is sent, and the host checks it."""
        image = parse_name(name, "image") if name else Name(files.name_from(file, "image"))
        files.refuse_odd_name(image.name, "image")
        spec = {"upload": {}, "format": given["form"]} | making.present(
            maxVirtualSize=given["max_size"], loginUser=given["login_user"]
        )

        from quantix_cli.uploading import Sent, upload  # loads aiohttp

        async def act(session: Session) -> Sent | None:
            namespace = image.namespace or session.namespace
            if namespace is None:
                raise CommandError(Exit.USAGE, "In which namespace is the image to be?", "-n NAMESPACE")
            there = replace(session, namespace=namespace)
            return await upload(there, file, image.name, spec, wait=not no_wait)

        sent = invocation.run(act)
        if sent is None:
            return
        invocation.terminal.out(f"{image}  sha256:{sent.digest}")
        invocation.terminal.note(use_of(image, sent.format))

    return command


def use_of(image: Name, form: str) -> str:
    """How the spec of a VM names an image of this format, as in `Image.status.format`. Pure."""
    if form == "ISO":
        return f"It goes into a drive by   image: {image}   in spec.cdroms of a VM."
    return f"A disk is made from it by   image: {image}   in spec.disks of a VM."


def create_command(_: str) -> click.Command:
    """The command `qx image create NAME`."""

    @click.command(
        "create",
        cls=Verb,
        short_help="make an image of a file on a server",
        examples=(
            "qx image create debian-13 --url https://SERVER/debian-13.qcow2 --login-user debian",
            "qx image create shared/debian-13 --url https://SERVER/debian-13.qcow2 --checksum sha256:SUM",
        ),
    )
    @click.argument("name")
    @click.option("--url", required=True, metavar="URL", help="Where the file is, by http or https.")
    @click.option("--checksum", default="", metavar="sha256:SUM", help="What the file must have.")
    @click.option(
        "--format",
        "form",
        type=click.Choice(files.FORMATS, case_sensitive=False),
        default="Auto",
        help="What the file is; by its content if left out.",
    )
    @click.option(
        "--max-size", type=SIZE, metavar="SIZE", help="Largest disk that it may describe; 2TiB if left out."
    )
    @click.option("--pool", default="", metavar="POOL", help="Where it is kept; default: the default pool.")
    @_LOGIN_USER
    @making.PROTECT
    @making.LABEL
    @making.NO_WAIT
    @write_options
    def command(
        invocation: Invocation, name: str, url: str, labels: tuple[str, ...], no_wait: bool, **given: Any
    ) -> None:
        """Make an image of a file on a server: a host downloads it and checks it."""
        if not url.startswith(_HTTP):
            raise CommandError(
                Exit.USAGE, f"{url} is no address of http or https.", "qx image upload sends a file"
            )

        async def check(session: Session, image: Manifest) -> None:
            await refuse_placeless(session, [of_object(image)], "--pool POOL")

        spec = _spec(url, given)
        making.make(invocation, "image", name, spec, labels=labels, wait=not no_wait, check=check)

    return command


def _spec(url: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of an image from a server, of the options of `create`."""
    return making.present(
        url=url,
        checksum=given["checksum"],
        format=given["form"] if given["form"] != "Auto" else None,
        maxVirtualSize=given["max_size"],
        pool=given["pool"],
        loginUser=given["login_user"],
        deletionProtection=given["protect"],
    )


def set_command(_: str) -> click.Command:
    """The command `qx image set NAME...`."""

    @click.command(
        "set",
        cls=Verb,
        short_help="change login user, protection and labels of images",
        examples=("qx image set debian-13 --login-user debian", "qx image set shared/tiny --protect"),
    )
    @selecting(NOUNS["image"])
    @_LOGIN_USER
    @making.PROTECT_CHANGE
    @making.LABEL_CHANGE
    @write_options
    def command(
        invocation: Invocation,
        selection: Selection,
        login_user: str,
        protection: bool | None,
        labels: tuple[str, ...],
    ) -> int:
        """Change what is known of images; their content never changes."""
        making.refuse_nothing(login_user=login_user, protection=protection, labels=labels)
        spec: dict[str, Any] = {} if protection is None else {"deletionProtection": protection}
        spec |= {"loginUser": login_user} if login_user else {}
        return making.change(
            invocation,
            "image",
            selection,
            lambda live: making.news(live, spec),
            labels,
            protection=protection,
        )

    return command
