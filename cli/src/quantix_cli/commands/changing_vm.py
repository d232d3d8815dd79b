"""`qx vm set|attach|detach`: changes of a VM's spec, and what the running guest has of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from quantix_api import resources
from quantix_cli import fetch
from quantix_cli.amounts import SIZE
from quantix_cli.commands.selecting import confirm_selection, refuse_no_selection, selecting
from quantix_cli.exits import Exit
from quantix_cli.helping import Verb
from quantix_cli.naming import parse_name, reference
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.options import Invocation, with_options, write_options
from quantix_cli.questions import confirm
from quantix_cli.selection import Selection
from quantix_cli.session import Session, each
from quantix_cli.vm.changes import Wanted, left_for_restart, may_wait, patch_of
from quantix_cli.vm.devices import Device, attached, detached, losses
from quantix_cli.waiting import until

_LOOK_S = 0.2
_SETTLED_S = 3.0

_SET_OPTIONS = (
    click.option("--cpu", type=click.IntRange(1, 710), metavar="N", help="vCPUs."),
    click.option("--memory", type=SIZE, metavar="SIZE", help="Memory, such as 4GiB."),
    click.option(
        "--type",
        "--instance-type",
        "instance_type",
        default="",
        metavar="TYPE",
        help="Says CPU and memory, instead of the two.",
    ),
    click.option(
        "--cpu-model", default="", metavar="MODEL", help="Auto, HostPassthrough, or a model of QEMU."
    ),
    click.option(
        "--grace",
        "grace_s",
        type=click.IntRange(0, 86400),
        metavar="SECONDS",
        help="How long a shutdown may take before force is used.",
    ),
    click.option("--protect/--no-protect", "protection", default=None, help="Whether it can be deleted."),
    click.option(
        "--ha",
        type=click.Choice(("OnFailure", "Always", "Never"), case_sensitive=False),
        metavar="OnFailure|Always|Never",
        default=None,
        help="When it is started again by itself.",
    ),
    click.option("--priority", type=click.IntRange(0, 1000), metavar="N", help="Higher ones start first."),
    click.option("--boot", default="", metavar="DEVICE,DEVICE", help="What it starts from, in this order."),
    click.option(
        "--group",
        "groups",
        multiple=True,
        metavar="GROUP",
        help="Security group of its NICs, instead of those it has.",
    ),
    click.option("--nic", default="", metavar="NIC", help="With --group: only of this NIC."),
    click.option(
        "--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label; KEY- takes it away."
    ),
    click.option("--no-wait", is_flag=True, help="Return once the API has accepted it."),
)
_ATTACH_OPTIONS = (
    click.option("--volume", default="", metavar="VOLUME", help="A volume that is there."),
    click.option("--disk", "size", type=SIZE, metavar="SIZE", help="A new, empty disk of this size."),
    click.option("--network", default="", metavar="NET[,address=A][,mac=M]", help="A NIC in this network."),
    click.option("--iso", default="", metavar="IMAGE", help="A medium: into an empty drive, or a new one."),
    click.option("--name", "device_name", default="", metavar="DEVICE", help="What it is called in the VM."),
    click.option("--pool", default="", metavar="POOL", help="With --disk: its pool."),
    click.option(
        "--bus",
        type=click.Choice(("Virtio", "SCSI", "SATA"), case_sensitive=False),
        metavar="Virtio|SCSI|SATA",
        default=None,
        help="How the guest sees a disk.",
    ),
    click.option("--read-only", is_flag=True, help="The guest cannot write to the disk."),
    click.option(
        "--group", "groups", multiple=True, metavar="GROUP", help="With --network: a security group."
    ),
    click.option("--no-wait", is_flag=True, help="Return once the API has accepted it."),
)


def set_command(_: str) -> click.Command:
    """The command `qx vm set NAME...`."""

    @click.command(
        "set",
        cls=Verb,
        short_help="change CPU, memory, labels and more of VMs",
        examples=(
            "qx vm set web-1 --memory 4GiB --cpu 4",
            "qx vm set -l app=web --group web --group monitoring",
        ),
    )
    @selecting
    @write_options
    def command(invocation: Invocation, selection: Selection, no_wait: bool, **given: Any) -> int:
        """Change VMs. What the running guest cannot take waits for its next start, and is told."""
        refuse_no_selection(selection, NOUNS["vm"], "set")
        wanted = Wanted(**{key: value for key, value in given.items() if value is not None})

        async def act(session: Session) -> Exit:
            picked, _ = await fetch.selected(session, NOUNS["vm"], selection)
            vms = list(picked.objects)
            confirm_selection("Change", picked, NOUNS["vm"], session)
            return await each(
                vms,
                lambda vm: _change(session, vm, lambda live: patch_of(live, wanted), not no_wait),
                session,
            )

        return invocation.run(act)

    return with_options(command, _SET_OPTIONS)


def attach_command(_: str) -> click.Command:
    """The command `qx vm attach NAME`."""

    @click.command(
        "attach",
        cls=Verb,
        short_help="give a VM a disk, a volume, a NIC or a medium",
        examples=(
            "qx vm attach web-1 --disk 20GiB",
            "qx vm attach web-1 --volume files-data",
            "qx vm attach web-1 --network db --group db",
            "qx vm attach web-1 --iso shared/debian-iso",
        ),
    )
    @click.argument("name")
    @write_options
    def command(invocation: Invocation, name: str, no_wait: bool, device_name: str, **given: Any) -> None:
        """Give a VM a disk, a volume, a NIC or a medium."""
        said = {key: value for key, value in given.items() if value is not None}
        device = Device(name=device_name, **said)

        async def act(session: Session) -> None:
            vm = await fetch.one(session, NOUNS["vm"], parse_name(name, "vm"))
            await _change(session, vm, lambda live: attached(live, device), not no_wait)

        invocation.run(act)

    return with_options(command, _ATTACH_OPTIONS)


def detach_command(_: str) -> click.Command:
    """The command `qx vm detach NAME DEVICE...`."""

    @click.command(
        "detach",
        cls=Verb,
        short_help="take disks, NICs or media out of a VM",
        examples=("qx vm detach web-1 data", "qx vm detach web-1 install --drive"),
    )
    @click.argument("name")
    @click.argument("devices", nargs=-1, required=True, metavar="DEVICE...")
    @click.option("--drive", is_flag=True, help="Of a CD-ROM: the drive, too, and not only the medium.")
    @click.option("--no-wait", is_flag=True, help="Return once the API has accepted it.")
    @write_options
    def command(
        invocation: Invocation, name: str, devices: tuple[str, ...], drive: bool, no_wait: bool
    ) -> None:
        """Take devices out of a VM by their names in it. The volume of a disk stays, unless its
        reclaimPolicy is Delete.
        """

        async def act(session: Session) -> None:
            vm = await fetch.one(session, NOUNS["vm"], parse_name(name, "vm"))
            detached(vm, devices, drive=drive)
            if lost := losses(vm, devices):
                confirm("Detach it?", lost, assume_yes=session.assume_yes, terminal=session.terminal)
            await _change(session, vm, lambda live: detached(live, devices, drive=drive), not no_wait)

        invocation.run(act)

    return command


async def _change(session: Session, vm: Manifest, patch: Callable[[Manifest], Manifest], wait: bool) -> None:
    """Write it, and say what the running guest has of it."""
    name = vm["metadata"]["name"]
    changed = await session.write.change(resources.VIRTUAL_MACHINES, vm, patch)
    if changed is None:
        return
    generation = changed["metadata"]["generation"]
    if generation == vm["metadata"]["generation"] and changed["metadata"] == vm["metadata"]:
        session.terminal.note(f"{name} is so already.")
        return
    running = look(changed, "status.runtime.domain") == "Present"
    left = await _left_for_restart(session, changed) if wait and running and may_wait(vm, changed) else []
    for what in left:
        session.terminal.note(session.terminal.plain(f"{name}: {what} at the next restart."))
    if left:
        session.terminal.note(f"Try: qx vm restart {reference(vm, 'vm', session.namespace)}")
    else:
        session.terminal.note(f"{name} changed.")


async def _left_for_restart(session: Session, changed: Manifest) -> list[str]:
    """What the running guest does not have.

    It is known once the operator has resolved the change and the host has compared that with its guest: soon,
    and no mark tells when.
    """
    import asyncio

    noun, generation = NOUNS["vm"], changed["metadata"]["generation"]
    seen = await until(
        session, noun, changed, lambda live: look(live, "status.observedGeneration", 0) >= generation
    )
    name, namespace = seen["metadata"]["name"], seen["metadata"]["namespace"]
    looks = int(_SETTLED_S / _LOOK_S)
    while looks and not left_for_restart(seen):
        looks -= 1
        await asyncio.sleep(_LOOK_S)
        seen = await session.api.get(noun.resource, name, namespace)
    return left_for_restart(seen)
