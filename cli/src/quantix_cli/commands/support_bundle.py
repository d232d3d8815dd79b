"""`qx support-bundle`: what somebody needs who is to find out what is wrong, in one file, without secrets."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import click

from quantix_cli.commands.doctor import examine
from quantix_cli.doctor.findings import lines, summary
from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.measures import size, utc_now
from quantix_cli.options import Invocation, common_options


@click.command(
    "support-bundle",
    cls=Verb,
    short_help="logs, objects and versions in one file, without secrets",
    examples=("qx support-bundle", "qx support-bundle problem.tar.gz --anonymous"),
)
@click.argument("file", default=None, required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--anonymous", is_flag=True, help="Replace addresses, too, each by the same word everywhere.")
@common_options
def support_bundle_command(invocation: Invocation, file: Path | None, anonymous: bool) -> None:
    """Collect logs, objects of the API, versions and what qx doctor finds in one file.

    Its README.txt says what is in it and what was left out. Secrets, private keys, cloud-init data and what
    guests print are not in it. It works while the API is away, and sends nothing anywhere.
    """
    from quantix_cli.bundle import collecting
    from quantix_cli.bundle.archive import Bundle
    from quantix_cli.bundle.redaction import Redactor

    terminal, layout = invocation.terminal, invocation.settings.layout
    target = file or Path(f"quantix-support-{utc_now():%Y%m%d-%H%M%S}.tar.gz")
    if target.exists():
        raise CommandError(Exit.REFUSED, f"{target} is there already.", "another name")
    bundle = Bundle(Redactor(anonymous=anonymous))
    findings = examine(invocation)
    bundle.add("versions.txt", f"qx {version('quantix')}\n")
    bundle.add(
        "doctor.txt", "\n".join([summary(findings), *lines(findings, replace(terminal, colour=False)), ""])
    )
    collecting.machine(bundle, layout)
    collecting.logs(bundle, layout)
    collecting.objects(bundle, invocation)
    try:
        written = bundle.write(target)
    except OSError as error:
        raise CommandError(Exit.FAILED, f"{target} cannot be written: {error.strerror}.") from error
    for name, why in sorted(bundle.left_out.items()):
        terminal.note(terminal.plain(f"not in it: {name} ({why})"))
    terminal.out(str(target))
    terminal.note(
        f"{len(bundle.entries)} entries, {size(written)}. Look through it before you hand it on: README.txt."
    )
