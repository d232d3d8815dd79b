"""`qx vm clone`: a new VM like another one, its disks copied, with an identity of its own."""

from __future__ import annotations

from typing import Any

import click

from quantix_api.resources import VOLUMES
from quantix_cli import fetch
from quantix_cli.commands.creating_vm import make_vm
from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.homes import refuse_going
from quantix_cli.naming import new_name, parse_name
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.options import Invocation, with_options, write_options
from quantix_cli.session import Session
from quantix_cli.vm.clone import CloneWish, clone_of, told_clone, volumes_of

_OPTIONS = (
    click.option(
        "--linked/--full",
        default=True,
        help="Share the image beneath the disks (the default), or copy all that is on them.",
    ),
    click.option(
        "--pool", default="", metavar="POOL", help="Pool of its disks; default: where those of SOURCE are."
    ),
    click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label (repeatable)."),
    click.option("--stopped", is_flag=True, help="Do not start it."),
    click.option("--no-wait", is_flag=True, help="Return once the API has accepted it."),
)


def clone_command(_: str) -> click.Command:
    """The command `qx vm clone SOURCE NEW`."""

    @click.command(
        "clone",
        cls=Verb,
        short_help="make a VM like another one, with copies of its disks",
        examples=("qx vm clone web-1 web-2", "qx vm clone web-1 web-2 --full --pool archive --stopped"),
    )
    @click.argument("source", metavar="SOURCE")
    @click.argument("new", metavar="NEW")
    @write_options
    def command(
        invocation: Invocation, source: str, new: str, *, linked: bool, no_wait: bool, **given: Any
    ) -> None:
        """Make a VM like SOURCE, with copies of its disks as they are once SOURCE is off. MACs, addresses,
        UUID, host name and cloud-init instance are its own.
        """
        name, wish = new_name(new, "vm").name, CloneWish(full=not linked, **given)

        async def act(session: Session) -> None:
            await _clone(session, source, name, wish, wait=not no_wait)

        invocation.run(act)

    return with_options(command, _OPTIONS)


async def _clone(session: Session, source: str, name: str, wish: CloneWish, *, wait: bool) -> None:
    vm = await fetch.one(session, NOUNS["vm"], parse_name(source, "vm"))
    if look(vm, "spec.sysprep") is not None:
        said = "A clone of a Windows guest would be the same computer: spec.sysprep runs once."
        raise CommandError(Exit.REFUSED, said, "generalise the guest, and make an image of its disk")
    await refuse_going(session, vm["metadata"]["namespace"])
    pools = await _pools(session, vm)
    made = clone_of(vm, name, wish, pools)
    await fetch.refuse_missing(session, vm["metadata"]["namespace"], made["spec"], vm["spec"])
    terminal = session.terminal
    terminal.note(terminal.plain(f"{name}: {told_clone(vm, made, pools)}."))
    source_runs = look(vm, "status.runtime.domain") == "Present"
    if source_runs:
        runs = vm["metadata"]["name"]
        terminal.note(
            terminal.plain(
                f"{runs} runs: its disks are copied once it is off; leave it off until {name} is made."
                f"   qx vm stop {runs}"
            )
        )
    if look(vm, "spec.cloudInit.networkData"):
        terminal.note("It gets the networkData of its source: in the guest, addresses that are not its own.")
    if wish.stopped and made["spec"]["disks"]:
        needed = vm["metadata"]["name"]
        terminal.note(
            terminal.plain(f"Its disks are copied when it first starts: {needed} has to stay until then.")
        )
    # nothing happens until somebody stops the source: not what a terminal is kept for
    await make_vm(session, made, wait=wait and not source_runs, login=False)


async def _pools(session: Session, vm: Manifest) -> dict[str, str]:
    """In which pool each volume of the VM lies."""
    wanted = set(volumes_of(vm).values())
    volumes = (await session.api.list(VOLUMES, vm["metadata"]["namespace"])).items
    found = {volume["metadata"]["name"]: look(volume, "status.pool", "") for volume in volumes}
    return {name: pool for name, pool in found.items() if name in wanted and pool}
