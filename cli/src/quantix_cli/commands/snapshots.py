"""`qx vm snapshot` and `qx snapshot restore|set`: what disks hold at one moment, kept and brought back.

Snapshots and restores are objects of the API, made here and carried out by the cluster: who stops watching
stops nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import click

from quantix_api.message_text import first_of
from quantix_api.resources import VIRTUAL_MACHINE_RESTORES, VIRTUAL_MACHINE_SNAPSHOTS
from quantix_cli import fetch
from quantix_cli.amounts import parse_pairs
from quantix_cli.commands import making, setting
from quantix_cli.commands.migrating import name_by_chance
from quantix_cli.commands.selecting import UNTOUCHED, confirm_selection, refuse_no_selection, selecting
from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.naming import new_name, parse_name, reference
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.options import Invocation, with_options, write_options
from quantix_cli.questions import confirm_name
from quantix_cli.selection import Selection
from quantix_cli.session import Session, each
from quantix_cli.vm.snapshots import WatchedKind, lost_by, taken, until_done
from quantix_client.errors import AlreadyExists

_LONGEST_STEM = 230
_KEPT_S = 86400
"""How long a restore of ours stays to say how it went."""
_QUIESCE = {"auto": "Auto", "required": "Required", "never": "Never"}
_DISK = click.option("--disk", "disks", multiple=True, metavar="DISK", help="Only this disk (repeatable).")
_OF_A_SNAPSHOT = (
    click.option("--name", default="", metavar="NAME", help="Its name; default: VM-DATE-TIME."),
    _DISK,
    click.option("--memory", is_flag=True, help="Keep the memory, too, of a VM that runs."),
    click.option(
        "--quiesce",
        type=click.Choice(tuple(_QUIESCE)),
        default="auto",
        show_default=True,
        help="Whether the guest's agent holds its file systems still.",
    ),
    making.PROTECT,
    making.LABEL,
    making.NO_WAIT,
)


def snapshot_command(_: str) -> click.Command:
    """The command `qx vm snapshot`."""

    @click.command(
        "snapshot",
        cls=Verb,
        short_help="keep what the disks of VMs hold now",
        examples=(
            "qx vm snapshot web-1",
            "qx vm snapshot web-1 --name before-upgrade --quiesce required",
            "qx vm snapshot web-1 --memory",
        ),
    )
    @selecting(NOUNS["vm"])
    @write_options
    def command(
        invocation: Invocation,
        selection: Selection,
        *,
        name: str,
        labels: tuple[str, ...],
        no_wait: bool,
        **given: Any,
    ) -> int:
        """Keep what the disks of VMs hold at this moment, and what firmware and TPM remember; the guest runs
        on. A snapshot lies in the pools of the disks: it is no backup.
        """
        refuse_no_selection(selection, NOUNS["vm"], "snapshot")
        spec, pairs = _wanted(**given), parse_pairs(labels, "--label")
        named = new_name(name, "snapshot").name if name else ""

        async def act(session: Session) -> Exit:
            vms = await _picked(session, selection, spec, several=not named)

            async def snap(vm: Manifest) -> None:
                metadata = {"name": named or _name_of_now(vm), "namespace": vm["metadata"]["namespace"]}
                metadata |= {"labels": pairs} if pairs else {}
                wanted = {"virtualMachine": vm["metadata"]["name"], **spec}
                await _take(session, {"metadata": metadata, "spec": wanted}, wait=not no_wait)

            return await each(vms, snap, session)

        return invocation.run(act)

    return with_options(command, _OF_A_SNAPSHOT)


async def _picked(session: Session, selection: Selection, spec: Manifest, *, several: bool) -> list[Manifest]:
    """The VMs that are meant. Raises CommandError: 2 for several under one name, or a disk that one lacks."""
    picked, _ = await fetch.selected(session, NOUNS["vm"], selection, untouched=UNTOUCHED)
    if not several and len(picked.objects) > 1:
        said = "One name is not enough for several snapshots."
        raise CommandError(Exit.USAGE, said, "leave --name out: each gets VM-DATE-TIME")
    for vm in picked.objects:
        _refuse_missing_disks(vm, spec.get("disks", []))
    confirm_selection("Snapshot", picked, NOUNS["vm"], session)
    return list(picked.objects)


def _wanted(*, disks: tuple[str, ...], memory: bool, quiesce: str, protect: bool) -> Manifest:
    return making.present(
        disks=list(disks),
        memory=memory,
        quiesce=_QUIESCE[quiesce] if quiesce != "auto" else None,
        deletionProtection=protect,
    )


def _name_of_now(vm: Manifest) -> str:
    return f"{vm['metadata']['name'][:_LONGEST_STEM]}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def _refuse_missing_disks(vm: Manifest, wanted: list[str]) -> None:
    there = [disk["name"] for disk in look(vm, "spec.disks", [])]
    for disk in wanted:
        if disk not in there:
            said = f"{vm['metadata']['name']} has no disk {disk}; it has {first_of(there) or 'none'}."
            raise CommandError(Exit.NOT_FOUND, said, f"qx vm show {vm['metadata']['name']}")


async def _take(session: Session, body: Manifest, *, wait: bool) -> None:
    vm = body["spec"]["virtualMachine"]
    try:
        made = await session.write.create(VIRTUAL_MACHINE_SNAPSHOTS, body)
    except AlreadyExists as error:
        raise await making.name_taken(session, NOUNS["snapshot"], body["metadata"]) from error
    if made is None:
        return
    named = reference(made, "snapshot", session.namespace)
    if not wait:
        session.terminal.note(f"{vm}: snapshot accepted. See: qx snapshot explain {named}")
        return
    where = f"qx snapshot explain {named}"
    session.begun.instead = f"Stopped watching; the snapshot goes on. See: {where}"
    what = f"The snapshot of {vm}"
    ended = await until_done(session, made, WatchedKind(VIRTUAL_MACHINE_SNAPSHOTS, "Ready", what, where))
    session.terminal.note(session.terminal.plain(taken(ended)))


def restore_command(_: str) -> click.Command:
    """The command `qx snapshot restore`."""

    @click.command(
        "restore",
        cls=Verb,
        short_help="set a VM back to a snapshot",
        examples=(
            "qx snapshot restore before-upgrade",
            "qx snapshot restore before-upgrade --stop --confirm web-1",
            "qx snapshot restore before-upgrade --disk data --no-memory",
        ),
    )
    @click.argument("name", metavar="SNAPSHOT")
    @_DISK
    @click.option("--no-memory", is_flag=True, help="Set the disks back alone: the guest boots.")
    @click.option("--stop", is_flag=True, help="Switch the VM off, as by pulling the plug.")
    @click.option("--confirm", "confirmed", metavar="VM", help="The VM, instead of typing it.")
    @making.NO_WAIT
    @write_options
    def command(invocation: Invocation, name: str, *, no_wait: bool, **given: Any) -> None:
        """Set the disks of the VM that SNAPSHOT is of back to what they held then, and its memory if that was
        kept. What was written since is lost; the VM's settings stay as they are now.
        """

        async def act(session: Session) -> None:
            await _restore(session, name, wait=not no_wait, **given)

        invocation.run(act)

    return command


async def _restore(
    session: Session,
    written: str,
    *,
    disks: tuple[str, ...],
    no_memory: bool,
    stop: bool,
    confirmed: str | None,
    wait: bool,
) -> None:
    snapshot = await fetch.one(session, NOUNS["snapshot"], parse_name(written, "snapshot"))
    vm = await _vm_of(session, snapshot)
    name = vm["metadata"]["name"]
    if look(vm, "status.assignment.host") and not stop:
        said = f"{name} runs, and its disks can be set back only while it is off."
        raise CommandError(Exit.REFUSED, said, f"qx vm stop {name}, or --stop, which pulls its plug")
    if not session.showing.dry_run:
        effects = lost_by(snapshot, vm, disks, stop=stop)
        confirm_name(f"Set {name} back?", effects, name, given=confirmed, terminal=session.terminal)
    spec = making.present(
        virtualMachine=name,
        snapshot=snapshot["metadata"]["name"],
        disks=list(disks),
        memory="Never" if no_memory else None,
        stop="Force" if stop else None,
        ttlSecondsAfterFinished=_KEPT_S,
    )
    metadata = {"name": name_by_chance(vm), "namespace": vm["metadata"]["namespace"]}
    made = await session.write.create(VIRTUAL_MACHINE_RESTORES, {"metadata": metadata, "spec": spec})
    if made is None:
        return
    about = f"vmrestore -n {metadata['namespace']} {metadata['name']}"
    where = f"kubectl describe {about}"
    if not wait:
        session.terminal.note(f"{name}: restore accepted. See: {where}")
        return
    session.begun.instead = f"Stopped watching; the restore goes on. See: {where}"
    what = f"The restore of {name}"
    back = f"{where}; before it begins, kubectl delete {about} takes it back"
    ended = await until_done(session, made, WatchedKind(VIRTUAL_MACHINE_RESTORES, "Restored", what, back))
    _tell_restored(session, ended, vm)


async def _vm_of(session: Session, snapshot: Manifest) -> Manifest:
    """The VM that it is of. Raises CommandError: 5 where that is gone."""
    namespace, name = snapshot["metadata"]["namespace"], look(snapshot, "spec.virtualMachine")
    vm = await fetch.one(replace(session, namespace=namespace), NOUNS["vm"], parse_name(name, "vm"))
    uid = look(snapshot, "status.virtualMachineUID")
    if uid not in (None, vm["metadata"]["uid"]):
        of = snapshot["metadata"]["name"]
        said = f"{of} is of an earlier VM {name}, which was deleted."
        hint = f"qx volume create NAME --from-snapshot {of} --disk DISK"
        raise CommandError(Exit.NOT_FOUND, said, hint)
    return vm


def _tell_restored(session: Session, restore: Manifest, vm: Manifest) -> None:
    name, terminal = vm["metadata"]["name"], session.terminal
    terminal.note(terminal.plain(f"{name} is as {look(restore, 'spec.snapshot')} kept it."))
    paths = look(restore, "status.differences", [])
    if paths:
        told = first_of([path.removeprefix("spec.") for path in paths])
        terminal.note(terminal.plain(f"Its settings stay as they are now, which differ in: {told}."))
    if look(vm, "spec.powerState", "Running") == "Stopped":
        terminal.note(f"It is off.   qx vm start {name}")


def set_command(_: str) -> click.Command:
    """The command `qx snapshot set`."""
    examples = ("qx snapshot set before-upgrade --protect", "qx snapshot set 'web-*' --label keep=no")
    return setting.protection_and_labels("snapshot", "Change protection and labels of snapshots.", examples)
