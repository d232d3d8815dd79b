"""`qx host end-orphan`: ends a guest of this host whose VM the API no longer has. For root, on that host.

Such a guest is left when finalizers are taken from a VM by force. Nothing else ends it: hostd keeps what the
API does not know, since a guest that is wrongly ended is worse than one too many.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import click

from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.options import Invocation, common_options
from quantix_cli.questions import confirm_name
from quantix_cli.terminal import Terminal

if TYPE_CHECKING:
    from quantix_cli.up.hostd_door import HostdDoor, Orphan

_POLL_S = 0.5


def end_orphan_command(_: str) -> click.Command:
    """The command `qx host end-orphan [UID]`."""

    @click.command(
        "end-orphan",
        cls=Verb,
        short_help="end a guest of this host whose VM the API no longer has",
        examples=("qx host end-orphan", "qx host end-orphan UID"),
    )
    @click.argument("uid", default="")
    @click.option("--confirm", metavar="UID", help="The UID once more, instead of typing it.")
    @common_options
    def command(invocation: Invocation, uid: str, confirm: str | None) -> int:
        """Shut the guest down (by force after a minute), free its volumes and its ports. Data stays.

        Without a UID: list them. Only root on the host itself may do it.
        """
        socket = invocation.settings.layout.hostd_socket
        if not os.access(socket, os.W_OK):
            said = "Only root ends the orphans of a host, on the host itself, while its hostd runs."
            raise CommandError(Exit.NOT_ALLOWED, said, "the same command there, as root")
        from quantix_cli.up.hostd_door import HostdDoor  # loads aiohttp

        door = HostdDoor(socket)
        return asyncio.run(_end(door, uid, confirm, invocation.terminal, invocation.timeout_s))

    return command


async def _end(
    door: HostdDoor, uid: str, confirmed: str | None, terminal: Terminal, timeout_s: float
) -> Exit:
    found = {orphan.uid: orphan for orphan in await door.orphans()}
    if not uid:
        for orphan in found.values():
            terminal.out(terminal.plain(f"{orphan.uid}  {_described(orphan)}"))
        if not found:
            terminal.note("Every guest of this host belongs to a VM in the API.")
        return Exit.DONE
    if uid not in found:
        there_are = f" There are: {', '.join(found)}." if found else ""
        said = f"No guest of UID {uid} is here without a VM in the API.{there_are}"
        raise CommandError(Exit.NOT_FOUND, said, "qx host end-orphan lists those that are")
    orphan = found[uid]
    confirm_name("End this guest?", effects(orphan), uid, given=confirmed, terminal=terminal)
    await door.end_orphan(uid)
    await _until_gone(door, orphan, timeout_s)
    terminal.note(f"{orphan.domain} is gone; its volumes keep their data.")
    return Exit.DONE


async def _until_gone(door: HostdDoor, orphan: Orphan, timeout_s: float) -> None:
    begun_s = time.monotonic()
    while any(left.uid == orphan.uid for left in await door.orphans()):
        if time.monotonic() - begun_s > timeout_s:
            said = f"{orphan.domain} has not ended yet; hostd goes on ending it."
            raise CommandError(Exit.TIMED_OUT, said, "qx host end-orphan")
        await asyncio.sleep(_POLL_S)


def effects(orphan: Orphan) -> list[str]:
    """What ending it does, line by line."""
    lines = [_described(orphan), "is shut down, and ended by force after 60 s"]
    if orphan.volumes:
        lines.append(f"frees its volumes, whose data stays: {', '.join(orphan.volumes)}")
    if orphan.ports:
        lines.append(f"removes its ports: {', '.join(orphan.ports)}")
    return lines


def _described(orphan: Orphan) -> str:
    pids = f", pid {', '.join(map(str, orphan.pids))}" if orphan.pids else ""
    since = f", started {orphan.started_at}" if orphan.started_at else ""
    return f"{orphan.shown}{', runs' if orphan.running else ', is off'}{since}{pids}"
