"""`qx volume create|set`."""

from __future__ import annotations

from typing import Any

import click

from quantix_api import resources
from quantix_api.messages import render
from quantix_cli.amounts import SIZE
from quantix_cli.beforehand import refuse_oversized
from quantix_cli.commands import making, setting
from quantix_cli.destinations import of_object, refuse_placeless
from quantix_cli.exits import CommandError, Exit, refused
from quantix_cli.helping import Verb
from quantix_cli.nouns import Manifest, look
from quantix_cli.options import Invocation, with_options, write_options
from quantix_cli.pool_of_source import name_pool_of_source
from quantix_cli.session import Session
from quantix_client.errors import Forbidden, NotFound

_OPTIONS = (
    click.option("--size", type=SIZE, metavar="SIZE", help="Its size; needed for an empty one."),
    click.option("--image", default="", metavar="IMAGE", help="What it is made from; default: it is empty."),
    click.option("--from", "volume", default="", metavar="VOLUME", help="The volume that it is a copy of."),
    click.option(
        "--from-snapshot",
        "snapshot",
        default="",
        metavar="SNAPSHOT",
        help="The snapshot that it is made from.",
    ),
    click.option("--disk", default="", metavar="DISK", help="Which disk of --from-snapshot."),
    click.option(
        "--secret", default="", metavar="SECRET[/KEY]", help="Encrypt it; the Secret holds the passphrase."
    ),
    click.option("--pool", default="", metavar="POOL", help="Where its data is; default: the default pool."),
    click.option("--full-copy", is_flag=True, help="With --image or --from: share no data with it."),
    making.PROTECT,
    making.LABEL,
    making.NO_WAIT,
)


def create_command(_: str) -> click.Command:
    """The command `qx volume create NAME`."""

    @click.command(
        "create",
        cls=Verb,
        short_help="make a volume: empty, of an image, another volume or a snapshot",
        examples=(
            "qx volume create files-data --size 100GiB",
            "qx volume create base --image shared/tiny",
            "qx volume create old-root --from-snapshot before-upgrade --disk root",
            "qx volume create safe --from files-data --secret disk-key",
        ),
    )
    @click.argument("name")
    @write_options
    def command(
        invocation: Invocation,
        name: str,
        labels: tuple[str, ...],
        no_wait: bool,
        **given: Any,
    ) -> None:
        """Make a volume: empty, of an image, of another volume or of a disk of a snapshot. In a pool
        that each host has by itself, an empty one is made on the host of the VM that takes it first.
        """
        making.make(
            invocation,
            "volume",
            name,
            _wanted(**given),
            labels=labels,
            wait=not no_wait,
            check=_refuse_in_vain,
        )

    return with_options(command, _OPTIONS)


async def _refuse_in_vain(session: Session, manifest: Manifest) -> None:
    await _refuse_missing_disk(session, manifest)
    await refuse_readable_copy(session, manifest)
    await name_pool_of_source(session, manifest)
    await refuse_placeless(session, [of_object(manifest)], "--pool POOL")
    await refuse_oversized(session, [manifest["spec"]])


async def _refuse_missing_disk(session: Session, manifest: Manifest) -> None:
    """Raises CommandError (6) for a disk that the snapshot does not have which it is to be made from. Of one
    that is being taken nothing is known yet.
    """
    wanted = look(manifest, "spec.source.snapshot", {})
    if not wanted:
        return
    try:
        found = await session.api.get(
            resources.VIRTUAL_MACHINE_SNAPSHOTS, wanted["name"], manifest["metadata"]["namespace"]
        )
    except (NotFound, Forbidden):
        return
    kept = [str(disk["name"]) for disk in look(found, "status.disks", [])]
    if look(found, "status.phase") == "Ready" and wanted["disk"] not in kept:
        said = render("DiskMissing", snapshot=wanted["name"], disk=wanted["disk"])
        raise refused(said, f"one of {', '.join(kept)}")


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
        raise refused(said, f"the same with --secret {secret}")


def _wanted(
    *,
    size: str | None,
    image: str,
    volume: str,
    snapshot: str,
    disk: str,
    secret: str,
    pool: str,
    full_copy: bool,
    protect: bool,
) -> Manifest:
    """The spec that the options describe. Raises CommandError (2)."""
    if bool(snapshot) != bool(disk):
        said = "--from-snapshot and --disk go together: which disk of which snapshot?"
        raise CommandError(Exit.USAGE, said, "--from-snapshot SNAPSHOT --disk root")
    kept = {"name": snapshot, "disk": disk} if snapshot else None
    source = making.present(image=image, volume=volume, snapshot=kept)
    if size is None and not source:
        raise CommandError(Exit.USAGE, "How large? An empty volume needs --size.", "--size 20GiB")
    if len(source) > 1:
        raise CommandError(
            Exit.USAGE, "--image, --from and --from-snapshot each say what it is made from: give one."
        )
    return making.present(
        size=size,
        source=source,
        pool=pool,
        copyMode="Full" if full_copy else None,
        encryption=encryption(secret),
        deletionProtection=protect,
    )


def encryption(secret: str) -> Manifest | None:
    """`SECRET/KEY` as the spec has it, None for none."""
    name, _, key = secret.partition("/")
    return {"secretRef": making.present(name=name, key=key)} if name else None


def set_command(_: str) -> click.Command:
    """The command `qx volume set NAME...`."""
    about = "Change protection and labels of volumes; qx volume resize changes the size."
    examples = ("qx volume set files-data --protect", "qx volume set 'web-*' --label tier=gold")
    return setting.protection_and_labels("volume", about, examples)
