"""A snapshot, or a restore, as it is watched: how far it is, what it waits for, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api.conditions import condition_of
from quantix_api.message_text import cause_of, hint_of, within
from quantix_api.quantities import counted
from quantix_api.resources import Resource
from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import Manifest, look
from quantix_cli.progress_bar import ProgressBar
from quantix_cli.session import Session

_POLL_S = 0.2
# what comes about by itself in this time is not worth a line
_QUIET_S = 3.0


@dataclass(frozen=True)
class Watched:
    """The kind, the phase that it is to come to, `what` it is in a sentence, and where to `look`."""

    resource: Resource
    done: str
    what: str
    look: str


async def until_over(session: Session, obj: Manifest, watched: Watched) -> Manifest:
    """The object once it came to its end. Raises CommandError: 8 after the session's time; 6 where it was
    refused before a host began, 1 where it failed.
    """
    bar = ProgressBar(obj["metadata"]["name"], session.terminal)
    try:
        return await _until_over(session, obj, watched, bar)
    finally:
        bar.erase()


async def _until_over(session: Session, obj: Manifest, watched: Watched, bar: ProgressBar) -> Manifest:
    name, namespace, clock = obj["metadata"]["name"], obj["metadata"]["namespace"], session.clock
    begun, said = clock.monotonic(), ""
    while look(obj, "status.phase") != watched.done:
        if look(obj, "status.phase") == "Failed":
            raise not_done(obj, watched)
        waited_s = clock.monotonic() - begun
        waits_for = cause_of(str(condition_of(obj).get("message", "")))
        if waited_s > session.timeout_s:
            last = f": {waits_for}" if waits_for else ""
            told = f"{watched.what} is not done yet{last}. It goes on."
            raise CommandError(Exit.TIMED_OUT, session.terminal.plain(told), watched.look)
        if waits_for not in ("", said) and waited_s > _QUIET_S and not _show(bar, obj):
            bar.erase()
            session.terminal.note(session.terminal.plain(f"{name}: {waits_for}."))
            said = waits_for
        await clock.sleep(_POLL_S)
        obj = await session.api.get(watched.resource, name, namespace)
    return obj


def _show(bar: ProgressBar, obj: Manifest) -> bool:
    done, total = (look(obj, f"status.progress.{key}") for key in ("doneBytes", "totalBytes"))
    if done and total:
        bar.show(done, total)
    return bool(done and total)


def not_done(obj: Manifest, watched: Watched) -> CommandError:
    """How a command ends of which nothing came. Pure."""
    ready = condition_of(obj)
    message = str(ready.get("message", ""))
    code = Exit.FAILED if look(obj, "status.host") else Exit.REFUSED
    said = f"{watched.what} was not done: {cause_of(message)} ({ready.get('reason', '')})."
    return CommandError(code, said, hint_of(message) or watched.look)


def taken(snapshot: Manifest) -> str:
    """`before-upgrade keeps 2 disks and the memory of web-1; its file systems were held still.` Pure."""
    disks = counted(len(look(snapshot, "status.disks", [])), "disk")
    memory = " and the memory" if look(snapshot, "status.memoryHandle") else ""
    quiesced = condition_of(snapshot, "Quiesced")
    still = "; its file systems were held still" if quiesced.get("status") == "True" else ""
    if quiesced.get("status") == "False" and quiesced.get("reason") not in ("NotAsked", "NoAgent"):
        still = f"; {within(cause_of(str(quiesced.get('message', ''))))}"
    name, vm = snapshot["metadata"]["name"], look(snapshot, "spec.virtualMachine")
    return f"{name} keeps {disks}{memory} of {vm}{still}."


def lost_by(snapshot: Manifest, vm: Manifest, wanted: tuple[str, ...], *, stop: bool) -> list[str]:
    """What setting a VM back does to it, told before. Pure."""
    kept = [disk["name"] for disk in look(snapshot, "status.disks", [])]
    disks = ", ".join(name for name in kept if not wanted or name in wanted)
    since = look(snapshot, "status.takenAt", "then")
    name = vm["metadata"]["name"]
    effects = [f"What was written to {disks or 'its disks'} of {name} since {since} is lost."]
    if stop and look(vm, "status.assignment.host"):
        effects.append(f"{name} is switched off as by pulling the plug.")
    return effects
