"""`qx volume create|set|resize|move`."""

from __future__ import annotations

from typing import Any

import click

from quantix_api import resources
from quantix_api.messages import render
from quantix_api.quantities import size_bytes
from quantix_api.resources import ANNOTATION_VIRTUAL_MACHINE
from quantix_cli import fetch
from quantix_cli.amounts import SIZE
from quantix_cli.beforehand import refuse_unreached
from quantix_cli.commands import making
from quantix_cli.commands.selecting import selecting
from quantix_cli.exits import CommandError, Exit
from quantix_cli.growing import is_grown
from quantix_cli.helping import Verb
from quantix_cli.naming import Name, parse_name
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.options import Invocation, write_options
from quantix_cli.selection import Selection
from quantix_cli.session import Session
from quantix_cli.waiting import until
from quantix_client.errors import Forbidden, NotFound


def create_command(_: str) -> click.Command:
    """The command `qx volume create NAME`."""

    @click.command(
        "create",
        cls=Verb,
        short_help="make a volume, empty, of an image or of another volume",
        examples=(
            "qx volume create files-data --size 100GiB",
            "qx volume create base --image shared/tiny",
            "qx volume create safe --from files-data --secret disk-key",
        ),
    )
    @click.argument("name")
    @click.option("--size", type=SIZE, metavar="SIZE", help="Its size; needed for an empty one.")
    @click.option("--image", default="", metavar="IMAGE", help="What it is made from; default: it is empty.")
    @click.option("--from", "volume", default="", metavar="VOLUME", help="The volume that it is a copy of.")
    @click.option(
        "--secret", default="", metavar="SECRET[/KEY]", help="Encrypt it; the Secret holds the passphrase."
    )
    @click.option("--pool", default="", metavar="POOL", help="Where its data is; default: the default pool.")
    @click.option("--full-copy", is_flag=True, help="With --image or --from: share no data with it.")
    @making.PROTECT
    @making.LABEL
    @making.NO_WAIT
    @write_options
    def command(
        invocation: Invocation,
        name: str,
        labels: tuple[str, ...],
        no_wait: bool,
        **given: Any,
    ) -> None:
        """Make a volume, empty, of an image or of another volume. In a pool that each host has by itself, an
        empty one is made on the host of the VM that takes it first.
        """
        making.make(
            invocation,
            "volume",
            name,
            _wanted(**given),
            labels=labels,
            wait=not no_wait,
            check=refuse_readable_copy,
        )

    return command


async def refuse_readable_copy(session: Session, manifest: Manifest) -> None:
    """Raises CommandError (6) for a copy of an encrypted volume that is to have no Secret.

    Where the source cannot be read, the write and what comes of it tell what is so.
    """
    source, copy = look(manifest, "spec.source.volume", ""), manifest["metadata"]
    if not source or look(manifest, "spec.encryption"):
        return
    try:
        found = await session.api.get(resources.VOLUMES, source, copy["namespace"])
    except (NotFound, Forbidden):
        return
    secret = look(found, "spec.encryption.secretRef.name")
    if secret:
        said = render("ConfigRefused", encrypted=source, copy=copy["name"], secret=secret)
        raise CommandError(Exit.REFUSED, said.sentence_with_reason, f"the same with --secret {secret}")


def _wanted(
    *, size: str | None, image: str, volume: str, secret: str, pool: str, full_copy: bool, protect: bool
) -> Manifest:
    """The spec that the options describe. Raises CommandError (2)."""
    source = making.present(image=image, volume=volume)
    if size is None and not source:
        raise CommandError(Exit.USAGE, "How large? An empty volume needs --size.", "--size 20GiB")
    if len(source) > 1:
        raise CommandError(Exit.USAGE, "--image and --from both say what it is made from: give one.")
    return making.present(
        size=size,
        source=source,
        pool=pool,
        copyMode="Full" if full_copy else None,
        encryption=_encryption(secret),
        deletionProtection=protect,
    )


def _encryption(secret: str) -> Manifest | None:
    name, _, key = secret.partition("/")
    return {"secretRef": making.present(name=name, key=key)} if name else None


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


def move_command(_: str) -> click.Command:
    """The command `qx volume move NAME --pool POOL`."""

    @click.command(
        "move",
        cls=Verb,
        short_help="move a volume to another pool",
        examples=(
            "qx volume move web-1-root --pool fast",
            "qx volume move files-data --pool fast --dry-run",
        ),
    )
    @click.argument("name")
    @click.option("--pool", required=True, metavar="POOL", help="Where its data is to be.")
    @making.NO_WAIT
    @write_options
    def command(invocation: Invocation, name: str, pool: str, no_wait: bool) -> None:
        """Move the data of a volume to another pool of its host; a VM that has it runs on. Of one made for a
        disk of a VM, the disk's pool in the VM is changed, which is what counts. To take it back, move it to
        the pool that it is in.
        """

        async def act(session: Session) -> None:
            await _move(session, parse_name(name, "volume"), pool, wait=not no_wait)

        invocation.run(act)

    return command


async def _move(session: Session, name: Name, pool: str, *, wait: bool) -> None:
    volume = await fetch.one(session, NOUNS["volume"], name)
    vm = await _vm_of(session, volume)
    before = look(volume, "status.pool", "")
    if pool == before and look(volume, "spec.pool") == pool:
        session.terminal.note(f"{name} is in pool {pool} already.")
        return
    await fetch.refuse_missing(session, volume["metadata"]["namespace"], {"pool": pool})
    await refuse_unreached(session, pool, look(volume, "status.host", ""))
    if await _change(session, name, volume, vm, pool=pool) is None:
        return
    if not before or look(volume, "status.data") != "Present":
        session.terminal.note(f"{name} will be made in pool {pool}.")
        return
    if not wait:
        session.terminal.note(f"{name} moves to pool {pool}. See: qx volume explain {name}")
        return
    await until(session, NOUNS["volume"], volume, lambda live: _has_arrived(live, pool))
    session.terminal.note(f"{name} is in pool {pool}.")


def _has_arrived(volume: Manifest, pool: str) -> bool:
    """Whether it is where spec wants it, and nothing of it is on its way elsewhere."""
    is_there = look(volume, "status.pool") == pool and look(volume, "spec.pool", pool) == pool
    return bool(is_there and look(volume, "status.phase") != "Moving")


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
    if await _change(session, name, volume, vm, size=size) is None:
        return
    if wait and _grows_now(volume, vm):
        await until(session, NOUNS["volume"], volume, lambda live: is_grown(live, size), vm=vm)
        session.terminal.note(f"{name} has {size}B.")
    else:
        session.terminal.note(f"{name} will have {size}B{' at the next start' if vm else ''}.")


async def _change(
    session: Session, name: Name, volume: Manifest, vm: Manifest | None, **wanted: str
) -> Manifest | None:
    """Write what is wanted of a volume: into the disk of its VM where there is one, which is what counts,
    else into the volume. None: nothing is to be waited for.
    """
    disk = _disk_of(vm, name.name) if vm else ""
    if vm and disk:
        return await session.write.change(
            resources.VIRTUAL_MACHINES, vm, lambda live: with_disk(live, disk, **wanted)
        )
    return await session.write.patch(resources.VOLUMES, volume, {"spec": wanted})


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


def with_disk(vm: Manifest, disk: str, **changed: str) -> Manifest:
    """The patch that changes members of a disk of a VM. Pure."""
    disks = look(vm, "spec.disks", [])
    return {"spec": {"disks": [one | changed if one["name"] == disk else one for one in disks]}}
