"""`qx router create|set`: networks joined with each other, and with the world outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from quantix_cli.addressing import refuse_address
from quantix_cli.amounts import parse_details
from quantix_cli.commands import making
from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.leases import tell_of_new_way
from quantix_cli.nouns import Manifest, look
from quantix_cli.options import Invocation, write_options
from quantix_cli.selection import Selection, expand
from quantix_cli.session import Session


def create_command(_: str) -> click.Command:
    """The command `qx router create NAME`."""

    @click.command(
        "create",
        cls=Verb,
        short_help="join networks, and give them a way out",
        examples=("qx router create r1 --network web --network db --external shared/outside",),
    )
    @click.argument("name")
    @click.option(
        "--network", "networks", multiple=True, metavar="NET[,address=A]", help="A network it is in."
    )
    @click.option("--external", default="", metavar="NET", help="The network that leads out.")
    @click.option("--address", default="", metavar="ADDRESS", help="Its address there.")
    @click.option("--no-snat", is_flag=True, help="Guests go out with their own addresses.")
    @making.LABEL
    @making.NO_WAIT
    @write_options
    def command(
        invocation: Invocation,
        name: str,
        networks: tuple[str, ...],
        external: str,
        labels: tuple[str, ...],
        no_wait: bool,
        **given: Any,
    ) -> None:
        """Join networks with each other, and with --external with the world outside."""
        if (given["address"] or given["no_snat"]) and not external:
            raise CommandError(
                Exit.USAGE, "Which way out? --external is missing.", "--external shared/outside"
            )
        snat = "Disabled" if given["no_snat"] else None
        way_out = making.present(network=external, address=given["address"], snat=snat)
        spec = making.present(networks=[_network(written) for written in networks], external=way_out)
        making.make(
            invocation,
            "router",
            name,
            spec,
            labels=labels,
            wait=not no_wait,
            check=_refuse_way_out,
            then=_tell_new,
        )

    return command


def set_command(_: str) -> click.Command:
    """The command `qx router set NAME`."""

    @click.command(
        "set",
        cls=Verb,
        short_help="add and remove networks of a router",
        examples=("qx router set r1 --add-network db", "qx router set r1 --remove-network db"),
    )
    @click.argument("names", nargs=-1, metavar="NAME...")
    @click.option("--add-network", multiple=True, metavar="NET[,address=A]", help="A network it joins.")
    @click.option("--remove-network", multiple=True, metavar="NET", help="A network it leaves.")
    @making.LABEL_CHANGE
    @write_options
    def command(
        invocation: Invocation,
        names: tuple[str, ...],
        add_network: tuple[str, ...],
        remove_network: tuple[str, ...],
        labels: tuple[str, ...],
    ) -> int:
        """Add networks to a router and take them out of it."""
        making.refuse_nothing(add_network=add_network, remove_network=remove_network, labels=labels)
        selection = Selection(names=expand(names))

        async def tell(session: Session) -> None:
            if not session.showing.dry_run:
                added = [_network(written)["name"] for written in add_network]
                await tell_of_new_way(session, session.namespace, added)

        return making.change(
            invocation,
            "router",
            selection,
            lambda live: patch_of(live, add_network, remove_network),
            labels,
            then=tell,
        )

    return command


def patch_of(router: Manifest, add: Sequence[str], remove: Sequence[str]) -> Manifest:
    """The patch; empty where all is so already. Raises CommandError (2, 5)."""
    networks = look(router, "spec.networks", [])
    known = [network["name"] for network in networks]
    for name in remove:
        if name not in known:
            said = f"{router['metadata']['name']} is not in network {name}."
            raise CommandError(Exit.NOT_FOUND, said, f"one of {', '.join(known)}" if known else "")
    new = [_network(written) for written in add]
    names = {network["name"] for network in new} | set(remove)
    left = [network for network in networks if network["name"] not in names]
    kept = [network for network in networks if network in new]
    changed = [network for network in networks if network in left or network in kept]
    changed += [network for network in new if network not in kept]
    return {"spec": {"networks": changed}} if changed != networks else {}


async def _refuse_way_out(session: Session, router: Manifest) -> None:
    """Raise CommandError (6) for an address that the network outside gives nobody."""
    way_out = look(router, "spec.external", {})
    await refuse_address(session, router["metadata"]["namespace"], way_out, "--address ADDRESS")


async def _tell_new(session: Session, router: Manifest) -> None:
    networks = [network["name"] for network in look(router, "spec.networks", [])]
    await tell_of_new_way(session, router["metadata"]["namespace"], networks)


def _network(written: str) -> Manifest:
    name, details = parse_details(written, "--network", ("address",))
    return {"name": name, **details}
