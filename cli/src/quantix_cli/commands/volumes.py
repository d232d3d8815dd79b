"""`qx volume create|set|resize`."""

from __future__ import annotations

from typing import Any

import click

from quantix_api import resources
from quantix_api.quantities import size_bytes
from quantix_api.resources import ANNOTATION_VIRTUAL_MACHINE
from quantix_cli import fetch
from quantix_cli.amounts import SIZE
from quantix_cli.commands import making
from quantix_cli.commands.selecting import selecting
from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.naming import Name, parse_name
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.options import Invocation, write_options
from quantix_cli.selection import Selection
from quantix_cli.session import Session
from quantix_cli.waiting import until


def create_command(_: str) -> click.Command:
    """The command `qx volume create NAME`."""

    @click.command(
        "create",
        cls=Verb,
        short_help="make a volume, empty or of an image",
        examples=("qx volume create files-data --size 100GiB", "qx volume create base --image shared/tiny"),
    )
    @click.argument("name")
    @click.option("--size", type=SIZE, metavar="SIZE", help="Its size; needed unless --image says it.")
    @click.option("--image", default="", metavar="IMAGE", help="What it is made from; default: it is empty.")
    @click.option("--pool", default="", metavar="POOL", help="Where its data is; default: the default pool.")
    @click.option("--full-copy", is_flag=True, help="With --image: share no data with it.")
    @making.PROTECT
    @making.LABEL
    @making.NO_WAIT
    @write_options
    def command(
        invocation: Invocation,
        name: str,
        size: str | None,
        image: str,
        labels: tuple[str, ...],
        no_wait: bool,
        **given: Any,
    ) -> None:
        """Make a volume, empty or of an image. In a pool that each host has by itself, an empty one is made
        on the host of the VM that takes it first.
        """
        if size is None and not image:
            raise CommandError(Exit.USAGE, "How large? An empty volume needs --size.", "--size 20GiB")
        spec = making.present(
            size=size,
            source={"image": image} if image else None,
            pool=given["pool"],
            copyMode="Full" if given["full_copy"] else None,
            deletionProtection=given["protect"],
        )
        making.make(invocation, "volume", name, spec, labels=labels, wait=not no_wait)

    return command


def set_command(_: str) -> click.Command:
    """The command `qx volume set NAME...`."""

    @click.command(
        "set",
        cls=Verb,
        short_help="change protection and labels of volumes",
        examples=("qx volume set files-data --protect", "qx volume set 'web-*' --label tier=gold"),
    )
    @selecting
    @making.PROTECT_CHANGE
    @making.LABEL_CHANGE
    @write_options
    def command(
        invocation: Invocation, selection: Selection, protection: bool | None, labels: tuple[str, ...]
    ) -> int:
        """Change protection and labels of volumes; qx volume resize changes the size."""
        making.refuse_nothing(protection=protection, labels=labels)
        spec = {} if protection is None else {"deletionProtection": protection}
        return making.change(invocation, "volume", selection, lambda live: making.news(live, spec), labels)

    return command


def resize_command(_: str) -> click.Command:
    """The command `qx volume resize NAME SIZE`."""

    @click.command(
        "resize",
        cls=Verb,
        short_help="let a volume grow",
        examples=("qx volume resize files-data 200GiB", "qx volume resize web-1-root 40GiB --dry-run"),
    )
    @click.argument("name")
    @click.argument("size", type=SIZE)
    @making.NO_WAIT
    @write_options
    def command(invocation: Invocation, name: str, size: str, no_wait: bool) -> None:
        """Let a volume grow; it never shrinks. Of one made for a disk of a VM, the disk's size in the VM is
        changed, which is what counts.
        """

        async def act(session: Session) -> None:
            await _resize(session, parse_name(name, "volume"), size, wait=not no_wait)

        invocation.run(act)

    return command


async def _resize(session: Session, name: Name, size: str, *, wait: bool) -> None:
    volume = await fetch.one(session, NOUNS["volume"], name)
    known = look(volume, "status.capacity", look(volume, "spec.size"))
    if known and size_bytes(known) >= size_bytes(size):
        if size_bytes(known) == size_bytes(size):
            session.terminal.note(f"{name} has {size}B already.")
            return
        said = f"A volume only grows, and {name} has {known}B."
        raise CommandError(Exit.REFUSED, said, "a new volume, and copy what is to stay")
    vm = await _vm_of(session, volume)
    disk = _disk_of(vm, name.name) if vm else ""
    if vm and disk:
        changed = await session.write.change(
            resources.VIRTUAL_MACHINES, vm, lambda live: with_disk_size(live, disk, size)
        )
    else:
        changed = await session.write.patch(resources.VOLUMES, volume, {"spec": {"size": size}})
    if changed is None:
        return
    if wait and _grows_now(volume, vm):
        noun = NOUNS["volume"]
        await until(
            session,
            noun,
            volume,
            lambda live: size_bytes(look(live, "status.capacity", "0")) >= size_bytes(size),
        )
        session.terminal.note(f"{name} has {size}B.")
    else:
        session.terminal.note(f"{name} will have {size}B{' at the next start' if vm else ''}.")


def _grows_now(volume: Manifest, vm: Manifest | None) -> bool:
    """Whether somebody enlarges it now: data that is there, and of a VM one that runs."""
    return bool(look(volume, "status.capacity")) and (vm is None or bool(look(vm, "status.assignment.host")))


async def _vm_of(session: Session, volume: Manifest) -> Manifest | None:
    """The VM that the volume was made for, or that has it."""
    named = look(volume, "metadata.annotations", {}).get(ANNOTATION_VIRTUAL_MACHINE)
    attached = [user.get("name") for user in look(volume, "status.attachedTo", [])]
    name = named or next(iter(attached), None)
    if not name:
        return None
    try:
        return await fetch.one(session, NOUNS["vm"], Name(str(name), volume["metadata"]["namespace"]))
    except CommandError:
        # gone, or not for us to see: then the volume's own size counts
        return None


def _disk_of(vm: Manifest, volume: str) -> str:
    """The disk of `vm` that the volume was made for; "" where a disk only names it."""
    made = {disk["volume"]: disk["name"] for disk in look(vm, "status.resolved.disks", [])}
    name = made.get(volume) or volume.removeprefix(f"{vm['metadata']['name']}-")
    own = [disk["name"] for disk in look(vm, "spec.disks", []) if not disk.get("volume")]
    return name if name in own else ""


def with_disk_size(vm: Manifest, disk: str, size: str) -> Manifest:
    """The patch that gives a disk of a VM this size. Pure."""
    disks = look(vm, "spec.disks", [])
    return {"spec": {"disks": [one | {"size": size} if one["name"] == disk else one for one in disks]}}
