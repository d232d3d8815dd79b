"""`qx vm attach|detach`: devices that come to a VM or leave it, followed until the guest has them or not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from quantix_api import resources
from quantix_cli import fetch
from quantix_cli.amounts import SIZE, parse_details
from quantix_cli.commands.changing_vm import write_vm
from quantix_cli.destinations import of_disks, refuse_placeless, tell_short
from quantix_cli.ending import stalled_end
from quantix_cli.exits import CommandError, Exit
from quantix_cli.fates import is_protected
from quantix_cli.going_with import is_owned
from quantix_cli.helping import Verb
from quantix_cli.kept_for_copies import tell_kept
from quantix_cli.left_behind import telling_what_stays_in
from quantix_cli.naming import parse_name, reference
from quantix_cli.nouns import NOUNS, Manifest
from quantix_cli.options import Invocation, with_options, write_options
from quantix_cli.questions import confirm
from quantix_cli.session import Session
from quantix_cli.vm.arrival import arrival, runs
from quantix_cli.vm.departure import Departure, departures
from quantix_cli.vm.devices import Device, attached, detached, losses, volumes_of
from quantix_cli.vm.media import refuse_disk
from quantix_cli.volume_users import refuse_used
from quantix_cli.waiting import Wait, is_ready, until
from quantix_client.errors import Forbidden


def _new_disk(ctx: click.Context, param: click.Parameter, written: str | None) -> Mapping[str, str]:
    """`20GiB,pool=fast,name=data`, as `qx vm create` takes it, as fields of a Device; {} for none."""
    if written is None:
        return {}
    first, details = parse_details(written, "--disk", ("pool", "name"))
    return {"size": SIZE.convert(first, param, ctx)} | details


_ATTACH_OPTIONS = (
    click.option("--volume", default="", metavar="VOLUME", help="A volume that is there."),
    click.option(
        "--disk", metavar="SIZE[,pool=P][,name=N]", callback=_new_disk, help="A new, empty disk of this size."
    ),
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


# what somebody may write before the name of a device, as with attach
_KINDS = ("--disk", "--volume", "--nic", "--network", "--iso", "--cdrom")


def _refuse_kind(ctx: click.Context, _: click.Parameter, name: str | None) -> None:
    if name is not None:
        said = "A device is named without an option before it: names are unique in a VM."
        raise CommandError(Exit.USAGE, said, f"qx vm detach NAME {name}")


def attach_command(_: str) -> click.Command:
    """The command `qx vm attach NAME`."""

    @click.command(
        "attach",
        cls=Verb,
        short_help="give a VM a disk, a volume, a NIC or a medium",
        examples=(
            "qx vm attach web-1 --disk 20GiB",
            "qx vm attach web-1 --disk 20GiB,pool=fast",
            "qx vm attach web-1 --volume files-data",
            "qx vm attach web-1 --network db --group db",
            "qx vm attach web-1 --iso shared/debian-iso",
        ),
    )
    @click.argument("name")
    @write_options
    def command(
        invocation: Invocation, name: str, no_wait: bool, disk: Mapping[str, str], **given: Any
    ) -> None:
        """Give a VM a disk, a volume, a NIC or a medium, and wait until the running guest has it."""
        device = device_of(disk, given)

        async def act(session: Session) -> None:
            vm = await fetch.one(session, NOUNS["vm"], parse_name(name, "vm"))
            await _attach(session, vm, device, wait=not no_wait)

        invocation.run(act)

    return with_options(command, _ATTACH_OPTIONS)


def device_of(disk: Mapping[str, str], given: Mapping[str, Any]) -> Device:
    """What the options say. Raises CommandError (2) where two of them say the same thing."""
    options = {"name": given["device_name"], "pool": given["pool"]}
    for word in ("name", "pool"):
        if options[word] and word in disk:
            said = f"--{word} and {word}= of --disk say the same thing: give one."
            raise CommandError(Exit.USAGE, said)
    others = {key: value for key, value in given.items() if key not in ("device_name", "pool")}
    said_of_it = {key: value for key, value in others.items() if value is not None}
    return Device(**{**said_of_it, **options, **disk})


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
    @click.option(*_KINDS, expose_value=False, hidden=True, is_eager=True, callback=_refuse_kind)
    @click.option("--drive", is_flag=True, help="Of a CD-ROM: the drive, too, and not only the medium.")
    @click.option("--no-wait", is_flag=True, help="Return once the API has accepted it.")
    @write_options
    def command(
        invocation: Invocation, name: str, devices: tuple[str, ...], drive: bool, no_wait: bool
    ) -> None:
        """Take devices out of a VM by their names in it, and wait until the running guest has let them go.
        The volume of a disk stays, unless its reclaimPolicy is Delete. What a guest runs from is only taken
        from it after a question.
        """

        async def act(session: Session) -> None:
            vm = await fetch.one(session, NOUNS["vm"], parse_name(name, "vm"))
            detached(vm, devices, drive=drive)
            volumes = await _volumes(session, vm)
            leaving = volumes_of(vm, devices)
            protected = [item["metadata"]["name"] for item in volumes if is_protected(item)]
            going = [item for item in volumes if is_owned(item, vm) and not is_protected(item)]
            await tell_kept(session, [item for item in going if item["metadata"]["name"] in leaving])
            owned = [item["metadata"]["name"] for item in going]
            lost = losses(vm, devices, owned, protected)
            if lost:
                terminal, sure = session.terminal, session.assume_yes
                confirm("Detach it?", lost, assume_yes=sure, terminal=terminal, always_told=lost)

            def patch(live: Manifest) -> Manifest:
                refuse_untold(live, devices, owned, lost, protected)
                return detached(live, devices, drive=drive)

            await _detach(session, vm, patch, wait=not no_wait)

        invocation.run(act)

    return command


async def _attach(session: Session, vm: Manifest, device: Device, *, wait: bool) -> None:
    """Write it, and follow until the guest has it, or says what keeps it."""
    if device.iso:
        await _refuse_no_medium(session, vm, device.iso)
    if device.volume:
        await refuse_used(session, vm, device.volume)
    if device.size:
        wanted = attached(vm, device).get("spec", {})
        # the list is written whole: those that the VM had before are there
        had = {disk["name"] for disk in vm["spec"].get("disks", [])}
        new = [disk for disk in wanted.get("disks", []) if disk["name"] not in had]
        await refuse_placeless(session, of_disks(vm, new), "--pool POOL")
        await tell_short(session, new)
    changed = await write_vm(session, vm, lambda live: attached(live, device))
    if changed is None:
        return
    came = arrival(vm, changed)
    if came is None:
        session.terminal.note(f"{vm['metadata']['name']} is so already.")
        return
    if not wait:
        session.terminal.note(f"{vm['metadata']['name']} changed.")
        return
    if came.device.get("image") and runs(changed):
        came.medium_is_checked = await _medium_is_checked(session, changed, came.device["image"])
    named = reference(vm, "vm", session.namespace)
    with telling_what_stays_in(named, came.name):
        wait_for_it = Wait(ended_by=came.ended_by, said_by=came.said_by)
        seen = await until(session, NOUNS["vm"], changed, came.is_settled, wait_for_it)
    what = session.terminal.plain(f"{vm['metadata']['name']}: {came.described(seen)}")
    if came.is_there(seen):
        session.terminal.note(f"{what} is plugged in.")
        return
    later = f"{what} comes with the next start: {came.why_later(seen)}."
    session.terminal.note(session.terminal.plain(later))
    if runs(seen):
        session.terminal.note(f"Try: qx vm restart {named}")


async def _refuse_no_medium(session: Session, vm: Manifest, image: str) -> None:
    """Raise CommandError where the image is known to be a disk, or not to be there."""
    there = replace(session, namespace=vm["metadata"]["namespace"])
    with contextlib.suppress(Forbidden):
        refuse_disk(await fetch.image(there, image), image)


async def _medium_is_checked(session: Session, vm: Manifest, image: str) -> bool:
    """Wait until a drive can have it. False: the account may not look at images. Raises CommandError."""
    there, noun = replace(session, namespace=vm["metadata"]["namespace"]), NOUNS["image"]
    try:
        found = await fetch.one(there, noun, parse_name(image, noun.word))
        await until(session, noun, found, lambda live: is_ready(live, found["metadata"]["generation"]))
    except Forbidden:
        return False
    return True


async def _volumes(session: Session, vm: Manifest) -> Sequence[Manifest]:
    """Those of the VM's namespace; none where the account may not look at volumes."""
    try:
        return (await session.api.list(resources.VOLUMES, vm["metadata"]["namespace"])).items
    except Forbidden:
        return ()


def refuse_untold(
    live: Manifest,
    devices: Sequence[str],
    owned: Sequence[str],
    told: Sequence[str],
    protected: Sequence[str] = (),
) -> None:
    """Raise CommandError (6) where more would be lost than was told: somebody changed the VM meanwhile."""
    more = [loss for loss in losses(live, devices, owned, protected) if loss not in told]
    if more:
        said = f"{live['metadata']['name']} has changed meanwhile: {more[0]}. Nothing was changed."
        raise CommandError(Exit.REFUSED, said, "the same command again")


async def _detach(
    session: Session, vm: Manifest, patch: Callable[[Manifest], Manifest], *, wait: bool
) -> None:
    """Write it, and follow until the guest has let go of all. Raises CommandError (8) where it keeps one."""
    changed = await write_vm(session, vm, patch)
    if changed is None:
        return
    name, terminal = vm["metadata"]["name"], session.terminal
    leaving = departures(vm, changed)
    if not leaving:
        terminal.note(f"{name} is so already.")
        return
    if not wait:
        terminal.note(f"{name} changed.")
        return

    def are_settled(live: Manifest) -> bool:
        # each of them counts its looks
        settled = [one.is_settled(live) for one in leaving]
        return all(settled)

    generation = changed["metadata"]["generation"]
    until_stalled = Wait(ended_by=lambda live: stalled_end(live, generation))
    seen = await until(session, NOUNS["vm"], changed, are_settled, until_stalled)
    kept = [one for one in leaving if one.stays(seen)]
    _tell_left([one for one in leaving if one not in kept], seen, session)
    if kept:
        # whoever deletes the volume next has to know
        fates = "; ".join(f"{one.described} {one.fate(seen)}" for one in kept)
        hints = dict.fromkeys(one.hint(seen, reference(vm, "vm", session.namespace)) for one in kept)
        raise CommandError(
            Exit.TIMED_OUT, terminal.plain(f"{name}: {fates}."), "; ".join(filter(None, hints))
        )


def _tell_left(gone: Sequence[Departure], vm: Manifest, session: Session) -> None:
    """What became of those that the guest does not keep."""
    for one in gone:
        session.terminal.note(
            session.terminal.plain(f"{vm['metadata']['name']}: {one.described} {one.fate(vm)}.")
        )
    for hint in dict.fromkeys(one.hint(vm, reference(vm, "vm", session.namespace)) for one in gone):
        if hint:
            session.terminal.note(f"Try: {hint}")
