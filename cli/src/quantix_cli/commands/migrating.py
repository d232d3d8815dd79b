"""`qx vm migrate` and `qx migration cancel`: a VM moves to another host while it runs, or stays after all.

A move is an object of the API, made here and carried out by the cluster: who stops watching stops nothing.
"""

from __future__ import annotations

import secrets
from typing import Any

import click

from quantix_api.resources import VIRTUAL_MACHINE_MIGRATIONS
from quantix_cli import fetch
from quantix_cli.commands.selecting import UNTOUCHED, confirm_selection, refuse_no_selection, selecting
from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.naming import parse_name, reference
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.options import Invocation, write_options
from quantix_cli.selection import Selection, expand
from quantix_cli.session import Session, each
from quantix_cli.vm.migration import Watch, is_over, moved, not_moved, until_over

_LONGEST_STEM = 240


def migrate_command(_: str) -> click.Command:
    """The command `qx vm migrate`."""

    @click.command(
        "migrate",
        cls=Verb,
        short_help="move VMs to another host while they run",
        examples=("qx vm migrate web-1", "qx vm migrate web-1 --to h2", "qx vm migrate 'web-*' --no-wait"),
    )
    @selecting(NOUNS["vm"])
    @click.option("--to", "target", metavar="HOST", help="Where to; the scheduler chooses if left out.")
    @click.option(
        "--post-copy",
        is_flag=True,
        help="Switch before all memory is copied, if it must be: a network that fails then restarts the VM.",
    )
    @click.option("--no-wait", is_flag=True, help="Return once the API has accepted it.")
    @write_options
    def command(
        invocation: Invocation, selection: Selection, target: str | None, post_copy: bool, no_wait: bool
    ) -> int:
        """Move VMs to another host while they run. Disks in a pool of their host move with them."""
        refuse_no_selection(selection, NOUNS["vm"], "migrate")
        spec: dict[str, Any] = {"targetHost": target} if target else {}
        spec |= {"postCopy": True} if post_copy else {}

        async def act(session: Session) -> Exit:
            if target:
                await fetch.one(session, NOUNS["host"], parse_name(target, "host"))
            picked, _ = await fetch.selected(session, NOUNS["vm"], selection, untouched=UNTOUCHED)
            confirm_selection("Migrate", picked, NOUNS["vm"], session)
            vms, alone = list(picked.objects), len(picked.objects) == 1
            return await each(vms, lambda vm: _move(session, vm, spec, Watch(not no_wait, alone)), session)

        return invocation.run(act)

    return command


async def _move(session: Session, vm: Manifest, spec: Manifest, watch: Watch) -> None:
    metadata = {"name": name_by_chance(vm), "namespace": vm["metadata"]["namespace"]}
    wanted = {"virtualMachine": vm["metadata"]["name"], **spec}
    made = await session.write.create(VIRTUAL_MACHINE_MIGRATIONS, {"metadata": metadata, "spec": wanted})
    if made is None:
        return
    named = reference(made, "migration", session.namespace)
    if not watch.wait:
        session.terminal.note(f"{vm['metadata']['name']}: migrate accepted. See: qx migration show {named}")
        return
    look_at = f"qx migration show {named}" if watch.alone else "qx migration list"
    goes = "the move goes on" if watch.alone else "the moves go on"
    session.begun.instead = f"Stopped watching; {goes}. See: {look_at}"
    ended = await until_over(session, made, watch)
    if look(ended, "status.phase") != "Succeeded":
        raise not_moved(ended)
    session.terminal.note(session.terminal.plain(moved(ended)))


def name_by_chance(vm: Manifest) -> str:
    """That of the VM, with some letters of chance."""
    return f"{vm['metadata']['name'][:_LONGEST_STEM]}-{secrets.token_hex(3)[:5]}"


def cancel_command(_: str) -> click.Command:
    """The command `qx migration cancel`."""

    @click.command(
        "cancel",
        cls=Verb,
        short_help="give migrations up; the VMs stay where they are",
        examples=("qx migration cancel web-1-x7k2", "qx migration cancel web-1-x7k2 --no-wait"),
    )
    @click.argument("names", nargs=-1, metavar="NAME...")
    @click.option("--no-wait", is_flag=True, help="Return once the API has accepted it.")
    @write_options
    def command(invocation: Invocation, names: tuple[str, ...], no_wait: bool) -> int:
        """Give migrations up. The VM runs on where it is; what was handed over already goes through."""
        if not names:
            raise CommandError(Exit.USAGE, "Which migration?", "qx migration list")

        async def act(session: Session) -> Exit:
            selection = Selection(names=expand(names))
            picked, _ = await fetch.selected(session, NOUNS["migration"], selection, untouched=UNTOUCHED)
            confirm_selection("Cancel", picked, NOUNS["migration"], session)
            return await each(
                list(picked.objects), lambda one: _cancel(session, one, wait=not no_wait), session
            )

        return invocation.run(act)

    return command


async def _cancel(session: Session, migration: Manifest, *, wait: bool) -> None:
    name, vm = migration["metadata"]["name"], look(migration, "spec.virtualMachine")
    if is_over(migration):
        raise _too_late(migration)
    patched = await session.write.patch(VIRTUAL_MACHINE_MIGRATIONS, migration, {"spec": {"cancel": True}})
    if patched is None:
        return
    if not wait:
        session.terminal.note(f"{name}: cancel accepted.")
        return
    ended = await until_over(session, patched, Watch())
    if look(ended, "status.phase") == "Succeeded":
        raise _too_late(ended)
    session.terminal.note(session.terminal.plain(f"{name} is given up; {vm} stays where it is."))


def _too_late(migration: Manifest) -> CommandError:
    name, phase = migration["metadata"]["name"], str(look(migration, "status.phase"))
    said = f"{name} is over ({phase}): there is nothing to cancel."
    return CommandError(Exit.REFUSED, said, f"qx migration show {name}")
