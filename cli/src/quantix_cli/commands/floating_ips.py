"""`qx floatingip create|attach|detach|set`: addresses outside that lead to VMs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click

from quantix_api.conditions import condition_of
from quantix_api.message_text import cause_of
from quantix_api.messages import render
from quantix_api.references import shared_reference
from quantix_api.resources import NAMESPACE_SHARED
from quantix_cli import fetch
from quantix_cli.addressing import refuse_address
from quantix_cli.commands import making
from quantix_cli.commands.selecting import UNTOUCHED, refuse_no_selection
from quantix_cli.exits import CommandError, Exit, refused
from quantix_cli.helping import Verb
from quantix_cli.leases import tell_of_late_guest
from quantix_cli.measures import duration
from quantix_cli.naming import parse_name
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.options import Invocation, write_options
from quantix_cli.selection import Selection, expand
from quantix_cli.session import Session, each
from quantix_cli.waiting import Wait, is_ready, until
from quantix_client.errors import Forbidden

_NOUN = NOUNS["floatingip"]
_NIC = click.option("--nic", default="", metavar="NIC", help="A NIC of the VM; default: its first.")


def create_command(_: str) -> click.Command:
    """The command `qx floatingip create NAME`."""

    @click.command(
        "create",
        cls=Verb,
        short_help="take an address outside, and let it lead to a VM",
        examples=(
            "qx floatingip create web --vm web-1",
            "qx floatingip create web --network shared/outside --address 203.0.113.20",
        ),
    )
    @click.argument("name")
    @click.option(
        "--network",
        default="",
        metavar="NET",
        help="The network outside; default: the one that the routers here lead out through.",
    )
    @click.option("--address", default="", metavar="ADDRESS", help="This address; default: a free one.")
    @click.option("--vm", default="", metavar="VM", help="The VM that it leads to; default: none yet.")
    @_NIC
    @making.LABEL
    @making.NO_WAIT
    @write_options
    def command(
        invocation: Invocation, name: str, labels: tuple[str, ...], no_wait: bool, **given: Any
    ) -> None:
        """Take an address outside. With --vm it leads to that VM, which goes out with it, too; without it is
        kept until it is attached to one.
        """
        if given["nic"] and not given["vm"]:
            raise CommandError(Exit.USAGE, "Of which VM is that NIC? --vm is missing.", "--vm VM")
        network = given["network"] or invocation.run(_way_out)
        vm = parse_name(given["vm"], "vm").name if given["vm"] else ""
        spec = making.present(network=network, address=given["address"], virtualMachine=vm, nic=given["nic"])
        making.make(
            invocation,
            "floatingip",
            name,
            spec,
            labels=labels,
            wait=not no_wait,
            check=_refuse_new,
            then=tell_of_late_guest,
        )

    return command


def attach_command(_: str) -> click.Command:
    """The command `qx floatingip attach NAME VM`."""

    @click.command(
        "attach",
        cls=Verb,
        short_help="let a floating IP lead to a VM",
        examples=("qx floatingip attach web web-1", "qx floatingip attach web web-1 --nic eth1"),
    )
    @click.argument("name")
    @click.argument("vm", metavar="VM")
    @_NIC
    @making.NO_WAIT
    @write_options
    def command(invocation: Invocation, name: str, vm: str, nic: str, no_wait: bool) -> None:
        """Let a floating IP lead to a VM. One that led to another VM before leads there no more."""
        wanted = {"virtualMachine": parse_name(vm, "vm").name, "nic": nic or None}

        async def act(session: Session) -> None:
            live = await fetch.one(session, _NOUN, parse_name(name, "floatingip"))
            await _point(session, live, wanted, wait=not no_wait)

        invocation.run(act)

    return command


def detach_command(_: str) -> click.Command:
    """The command `qx floatingip detach NAME...`."""

    @click.command(
        "detach",
        cls=Verb,
        short_help="let floating IPs lead nowhere, and keep them",
        examples=("qx floatingip detach web",),
    )
    @click.argument("names", nargs=-1, metavar="NAME...")
    @making.NO_WAIT
    @write_options
    def command(invocation: Invocation, names: tuple[str, ...], no_wait: bool) -> int:
        """Let floating IPs lead nowhere. The addresses stay yours until you delete them."""
        selection, nowhere = Selection(names=expand(names)), {"virtualMachine": None, "nic": None}
        refuse_no_selection(selection, _NOUN, "detach")

        async def act(session: Session) -> Exit:
            picked, _ = await fetch.selected(session, _NOUN, selection, untouched=UNTOUCHED)
            return await each(
                list(picked.objects),
                lambda live: _point(session, live, nowhere, wait=not no_wait),
                session,
            )

        return invocation.run(act)

    return command


def set_command(_: str) -> click.Command:
    """The command `qx floatingip set NAME`."""

    @click.command(
        "set",
        cls=Verb,
        short_help="change labels of a floating IP",
        examples=("qx floatingip set web --label team=shop",),
    )
    @click.argument("names", nargs=-1, metavar="NAME...")
    @making.LABEL_CHANGE
    @write_options
    def command(invocation: Invocation, names: tuple[str, ...], labels: tuple[str, ...]) -> int:
        """Change labels. Where it leads is changed by qx floatingip attach and detach."""
        making.refuse_nothing(labels=labels)
        selection = Selection(names=expand(names))
        return making.change(invocation, "floatingip", selection, lambda _: {}, labels)

    return command


def patch_of(live: Manifest, wanted: Manifest) -> Manifest:
    """The patch that makes it lead where `wanted` says; empty where it does so already."""
    changed = {key: value for key, value in wanted.items() if live["spec"].get(key) != value}
    return {"spec": changed} if changed else {}


async def _point(session: Session, live: Manifest, wanted: Manifest, *, wait: bool) -> None:
    """Let it lead where `wanted` says, and follow until it does."""
    name, namespace = live["metadata"]["name"], live["metadata"]["namespace"]
    new = {key: value for key, value in wanted.items() if value is not None}
    await fetch.refuse_missing(session, namespace, new, live["spec"])
    await _refuse_taken(session, {**live, "spec": {"network": look(live, "spec.network"), **new}})
    begun = time.monotonic()
    changed = await session.write.change(_NOUN.resource, live, lambda newest: patch_of(newest, wanted))
    if changed is None:
        return
    if changed["metadata"]["generation"] == live["metadata"]["generation"]:
        session.terminal.note(f"{name} is so already.")
        return
    if not wait:
        session.terminal.note(f"{name} changed.")
        return
    generation = changed["metadata"]["generation"]
    seen = await until(
        session, _NOUN, changed, lambda obj: is_ready(obj, generation), Wait(gives_up=Exit.REFUSED)
    )
    said = cause_of(str(condition_of(seen).get("message", "")))
    took = duration(time.monotonic() - begun)
    session.terminal.note(session.terminal.plain(f"{name} changed after {took}: {said}."))
    await tell_of_late_guest(session, seen)


async def _refuse_new(session: Session, wanted: Manifest) -> None:
    """As `_refuse_taken`; also 6 for an address that its network gives nobody."""
    await refuse_address(session, wanted["metadata"]["namespace"], wanted["spec"], "--address ADDRESS")
    await _refuse_taken(session, wanted)


async def _refuse_taken(session: Session, wanted: Manifest) -> None:
    """Raise CommandError: 5 for a NIC that the VM does not have, 6 for one that another one leads to."""
    vm_name, name = look(wanted, "spec.virtualMachine"), wanted["metadata"]["name"]
    if vm_name is None:
        return
    here = replace(session, namespace=wanted["metadata"].get("namespace"))
    try:
        vm = await fetch.one(here, NOUNS["vm"], parse_name(vm_name, "vm"))
        others = await fetch.objects_of(here, _NOUN)
    except Forbidden:
        return
    nics = [str(nic["name"]) for nic in look(vm, "spec.nics", [])]
    nic = look(wanted, "spec.nic") or next(iter(nics), "")
    if nic not in nics:
        said = f"VM {vm_name} has no NIC{f' {nic}' if nic else ''}."
        raise CommandError(Exit.NOT_FOUND, said, f"one of {', '.join(nics)}" if nics else "")
    other = rival_of([one for one in others if one["metadata"]["name"] != name], vm_name, nic, nics)
    if other:
        message = render("NICInUse", nic=nic, vm=vm_name, other=other, name=name)
        raise refused(message, f"qx floatingip detach {other}")


def rival_of(others: Sequence[Manifest], vm: str, nic: str, nics: Sequence[str]) -> str:
    """The name of the one that leads to this NIC; "" for none."""
    first = next(iter(nics), "")
    return next(
        (
            str(one["metadata"]["name"])
            for one in others
            if look(one, "spec.virtualMachine") == vm and (look(one, "spec.nic") or first) == nic
        ),
        "",
    )


async def _way_out(session: Session) -> str:
    """The one network that the routers here, and those of all, lead out through. Raises CommandError (2)."""
    found: dict[str, None] = {}
    for namespace in dict.fromkeys((session.namespace, NAMESPACE_SHARED)):
        routers: list[Manifest] = []
        with contextlib.suppress(Forbidden):
            routers = (await session.api.list(NOUNS["router"].resource, namespace)).items
        # one that is not there yet leads nowhere, unless it is all there is
        leading = [router for router in routers if condition_of(router).get("status") == "True"] or routers
        for external in (look(router, "spec.external.network") for router in leading):
            shared = namespace == NAMESPACE_SHARED != session.namespace and external
            found |= {shared_reference(external): None} if shared else {external: None} if external else {}
    if len(found) != 1:
        said = f"Which network? Routers lead out through {', '.join(found) or 'none'}."
        raise CommandError(Exit.USAGE, said, f"--network {next(iter(found), 'NETWORK')}")
    return next(iter(found))
