"""`qx volume resize|move`: changes of a volume that take their time, or their pool's room."""

from __future__ import annotations

from dataclasses import dataclass

import click

from quantix_api import resources
from quantix_api.quantities import size_bytes
from quantix_api.resources import ANNOTATION_VIRTUAL_MACHINE
from quantix_cli import fetch
from quantix_cli.amounts import SIZE
from quantix_cli.beforehand import refuse_oversized
from quantix_cli.commands import making
from quantix_cli.destinations import refuse_move
from quantix_cli.ending import move_end, stalled_end
from quantix_cli.exits import CommandError, Exit
from quantix_cli.growing import is_granted, is_grown, what_it_waits_for
from quantix_cli.helping import Verb
from quantix_cli.naming import Name, parse_name, reference
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.options import Invocation, write_options
from quantix_cli.session import Session, translated
from quantix_cli.vm.arrival import Arrival, is_left_for_start, runs
from quantix_cli.vm.moves import told_of_move
from quantix_cli.waiting import Wait, until
from quantix_client.errors import Forbidden, Unprocessable


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
        """Let a volume grow. What has data never shrinks; what is not made yet, or waits for room, may be
        asked to be smaller. Of one made for a disk of a VM, the disk's size in the VM is changed, which is
        what counts.
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
        """Move the data of a volume to another pool that its host reaches; a VM that has it runs on. Of one
        made for a disk of a VM, the disk's pool in the VM is changed, which is what counts. To take it back,
        move it to the pool that it is in.
        """

        async def act(session: Session) -> None:
            await _move(session, parse_name(name, "volume"), pool, wait=not no_wait)

        invocation.run(act)

    return command


@dataclass(frozen=True)
class _Asked:
    """A volume, and where its size and pool are asked for: in `disk` of `vm`, for which it was made, since
    that counts; where `disk` is "" in its own spec. `vm` may also be one that only has it; None: nobody's.
    """

    volume: Manifest
    vm: Manifest | None
    disk: str

    @property
    def size(self) -> str | None:
        """The size that is asked for now, None for none."""
        disks = look(self.vm or {}, "spec.disks", [])
        of_disk = (one.get("size") for one in disks if one["name"] == self.disk)
        return next(of_disk, None) if self.disk else look(self.volume, "spec.size")

    @property
    def off(self) -> str:
        """The name of its VM, where that has no host; "" for none."""
        is_off = self.vm and not look(self.vm, "status.assignment.host")
        return str(self.vm["metadata"]["name"]) if self.vm and is_off else ""

    @property
    def grows_now(self) -> bool:
        """Whether somebody enlarges it now: data that is there, and of a VM one that runs and gets it."""
        return bool(look(self.volume, "status.capacity")) and not self.off and not self.why_later

    @property
    def why_later(self) -> str:
        """Why its VM, which runs without it, has it at its next start only; "" where that is not so."""
        vm = self.vm or {}
        name = self.volume["metadata"]["name"]
        for disk in look(vm, "spec.disks", []):
            is_it = disk["name"] == self.disk or disk.get("volume") == name
            if is_it and runs(vm) and is_left_for_start("disks", disk["name"], vm):
                return Arrival("disks", disk, vm["metadata"]["generation"]).why_later(vm)
        return ""


async def _asked(session: Session, name: Name) -> _Asked:
    """Raises CommandError (5) where there is no such volume."""
    volume = await fetch.one(session, NOUNS["volume"], name)
    vm = await _vm_of(session, volume)
    return _Asked(volume, vm, _disk_of(vm, name.name) if vm else "")


async def _move(session: Session, name: Name, pool: str, *, wait: bool) -> None:
    asked = await _asked(session, name)
    volume = asked.volume
    before = look(volume, "status.pool", "")
    if pool == before and look(volume, "spec.pool") == pool:
        session.terminal.note(f"{name} is in pool {pool} already.")
        return
    await fetch.refuse_missing(session, volume["metadata"]["namespace"], {"pool": pool})
    await refuse_move(session, volume, look(asked.vm or {}, "status.assignment.host") or "", pool)
    if await _change(session, asked, pool=pool) is None:
        return
    if not before or look(volume, "status.data") != "Present":
        session.terminal.note(f"{name} will be made in pool {pool}.")
        return
    if not wait:
        session.terminal.note(f"{name} moves to pool {pool}. See: qx volume explain {name}")
        return
    await until(
        session,
        NOUNS["volume"],
        volume,
        lambda live: _has_arrived(live, pool),
        Wait(ended_by=lambda live: move_end(live, pool), said_by=told_of_move),
    )
    session.terminal.note(f"{name} is in pool {pool}.")


def _has_arrived(volume: Manifest, pool: str) -> bool:
    """Whether it is where spec wants it, and nothing of it is on its way elsewhere."""
    is_there = look(volume, "status.pool") == pool and look(volume, "spec.pool", pool) == pool
    return bool(is_there and look(volume, "status.phase") != "Moving")


async def _resize(session: Session, name: Name, size: str, *, wait: bool) -> None:
    asked = await _asked(session, name)
    volume = asked.volume
    if _has_it(session, name, asked, size):
        return
    pool = look(volume, "status.pool") or look(volume, "spec.pool")
    await refuse_oversized(session, [{"size": size, "pool": pool}])
    try:
        changed = await _change(session, asked, size=size)
    except (Forbidden, Unprocessable) as error:
        raise _smaller(translated(error, session.target), name, asked, size) from error
    if changed is None:
        return
    written, changed_vm = (volume, changed) if asked.disk else (changed, None)
    granted = await is_granted(session, written, changed_vm, size)
    if wait and asked.grows_now:
        generation = written["metadata"]["generation"]
        await until(
            session,
            NOUNS["volume"],
            written,
            lambda live: is_grown(live, size),
            Wait(
                vm=asked.vm,
                ended_by=lambda live: stalled_end(live, generation),
                said_by=what_it_waits_for,
            ),
        )
        session.terminal.note(f"{name} has {size}B.")
    elif granted:
        _tell_granted(session, name, asked, size)
    else:
        said = f"{name} is to have {size}B; nobody has said yet that there is room for it."
        session.terminal.note(f"{said} See: qx volume explain {name}")


def _tell_granted(session: Session, name: Name, asked: _Asked, size: str) -> None:
    """That it will have `size`, and when, where that is known."""
    when, later = "", asked.why_later
    if asked.off:
        when = f" at the next start of {asked.off}, which does not run"
    elif later and asked.vm:
        when = f" at the next start of {asked.vm['metadata']['name']}: {session.terminal.plain(later)}"
    session.terminal.note(f"{name} will have {size}B{when}.")
    if later and asked.vm:
        session.terminal.note(f"Try: qx vm restart {reference(asked.vm, 'vm', session.namespace)}")


def _smaller(refused: CommandError, name: Name, asked: _Asked, size: str) -> CommandError:
    """With what to type where the API takes no smaller disk of a VM, though nothing was made of it yet."""
    vm, disk, before = asked.vm, asked.disk, asked.size
    if refused.exit_code is not Exit.REFUSED or not vm or not disk:
        return refused
    if not before or size_bytes(before) <= size_bytes(size):
        return refused
    owner = vm["metadata"]["name"]
    again = f"qx vm detach {owner} {disk}, qx volume delete {name}, then qx vm attach {owner} --disk {size}B"
    if any(one["name"] == disk and "image" in one for one in look(vm, "spec.disks", [])):
        again = f"qx vm delete {owner} --volumes, and qx vm create it with --size {size}B"
    return CommandError(refused.exit_code, refused.message, again)


def _has_it(session: Session, name: Name, asked: _Asked, size: str) -> bool:
    """Whether there is nothing to change, which is told. Raises CommandError (6) for less than its data has;
    what is not made yet, or has not grown yet, may be asked to be smaller.
    """
    has = look(asked.volume, "status.capacity")
    if has and size_bytes(size) < size_bytes(has):
        said = f"A volume only grows, and {name} has {has}B."
        raise CommandError(Exit.REFUSED, said, "a new volume, and copy what is to stay")
    # a wish of its disk that is not its own yet waits for room: that is asked for anew
    known = [one for one in (has, asked.size, look(asked.volume, "spec.size")) if one]
    if not known or any(size_bytes(one) != size_bytes(size) for one in known):
        return False
    session.terminal.note(f"{name} {'has' if has else 'is to have'} {size}B already.")
    return True


async def _change(session: Session, asked: _Asked, **wanted: str) -> Manifest | None:
    """Write what is wanted where it is asked for; the VM or the volume, as written. None: nothing is to be
    waited for.
    """
    if asked.vm and asked.disk:
        return await session.write.change(
            resources.VIRTUAL_MACHINES, asked.vm, lambda live: with_disk(live, asked.disk, **wanted)
        )
    return await session.write.patch(resources.VOLUMES, asked.volume, {"spec": wanted})


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
