"""`qx version`."""

from __future__ import annotations

from importlib.metadata import version

import click

from quantix_api.errors import QuantixError
from quantix_cli.exits import CommandError
from quantix_cli.helping import Verb
from quantix_cli.options import Invocation, common_options
from quantix_cli.session import Session


@click.command(
    "version", cls=Verb, short_help="versions of qx and of the API server", examples=("qx version",)
)
@common_options
def version_command(invocation: Invocation) -> None:
    """Show the version of qx and, when it answers, of the API server."""
    invocation.terminal.out(f"qx {version('quantix')}")

    async def ask(session: Session) -> str:
        return str((await session.api.request("GET", "/version"))["gitVersion"])

    try:
        invocation.terminal.out(f"Kubernetes API {invocation.run(ask)}")
    except (CommandError, QuantixError) as error:
        invocation.terminal.note(invocation.terminal.plain(str(error)))
