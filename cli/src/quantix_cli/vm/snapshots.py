"""A snapshot, or a restore, as it is watched: how far it is, what it waits for, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api.conditions import condition_of
from quantix_api.message_text import cause_of, hint_of, within
from quantix_api.quantities import counted
from quantix_api.resources import Resource
from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import Manifest, look
from quantix_cli.session import Session
from quantix_cli.vm import under_way
from quantix_cli.vm.under_way import UnderWay

# what comes about by itself in this time is not worth a line
_QUIET_S = 3.0


@dataclass(frozen=True)
class WatchedKind:
    """The kind, the phase that it is to come to, `what` it is in a sentence, and where to `look`."""

    resource: Resource
    done: str
    what: str
    look: str


async def until_done(session: Session, obj: Manifest, watched: WatchedKind) -> Manifest:
    """The object once it is done. Raises CommandError: 8 after the session's time; 6 where it was refused
    before a host began, 1 where it failed.
    """
    name = obj["metadata"]["name"]
    way = UnderWay(
        watched.resource,
        lambda live: look(live, "status.phase") in (watched.done, "Failed"),
        name,
        lambda _: name,
        f"{watched.what} is not done yet",
        "It goes on.",
        watched.look,
        _QUIET_S,
    )
    ended = await under_way.until_over(session, obj, way)
    if look(ended, "status.phase") == "Failed":
        raise not_done(ended, watched)
    return ended


def not_done(obj: Manifest, watched: WatchedKind) -> CommandError:
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
