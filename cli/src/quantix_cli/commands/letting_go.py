"""Asks before a protection is taken off that alone keeps something from being deleted: that of a VM, a volume
or an image in a namespace that is being deleted, and of a volume that goes with its VM.

Used by `qx vm|volume|image set --no-protect`.
"""

from __future__ import annotations

from collections.abc import Sequence

from quantix_api.resources import (
    ANNOTATION_VIRTUAL_MACHINE,
    LABEL_VIRTUAL_MACHINE_UID,
    VIRTUAL_MACHINES,
)
from quantix_cli.fates import effects, losing
from quantix_cli.going_with import is_owned
from quantix_cli.homes import is_going
from quantix_cli.naming import these
from quantix_cli.nouns import Manifest, Noun, look
from quantix_cli.questions import confirm
from quantix_cli.session import Session
from quantix_cli.taken_along import deleted, taken_along
from quantix_client.errors import Forbidden, NotFound

# of those that are selected, and with which no data goes
_LISTED = 10


async def confirm_protection(
    session: Session, noun: Noun, objects: Sequence[Manifest], protection: bool | None
) -> None:
    """Before `--protect` and `--no-protect` (None: neither): tell where it changes nothing, and what goes
    once these are protected no more, and ask where something does. Raises CommandError as `confirm` does.
    """
    if protection is None:
        return
    for obj in filter(is_leaving, objects):
        said = f"{noun.singular} {obj['metadata']['name']} is being deleted already, protected or not."
        session.terminal.note(session.terminal.plain(said))
    if not protection:
        await _confirm_letting_go(session, noun, [obj for obj in objects if not is_leaving(obj)])


async def _confirm_letting_go(session: Session, noun: Noun, objects: Sequence[Manifest]) -> None:
    kept = [obj for obj in objects if look(obj, "spec.deletionProtection")]
    homes = {str(look(obj, "metadata.namespace")) for obj in kept}
    ends = {home for home in homes if await is_going(session, home)}
    going = [obj for obj in kept if look(obj, "metadata.namespace") in ends]
    if going:
        await _confirm_end(session, noun, going, ends)
    rest = [obj for obj in kept if obj not in going]
    for obj in rest if noun.word == "volume" else ():
        await _confirm_end_of_volume(session, noun, obj)


def is_leaving(obj: Manifest) -> bool:
    """Whether it is being deleted already, which no protection changes."""
    return bool(look(obj, "metadata.deletionTimestamp"))


async def _confirm_end(session: Session, noun: Noun, going: list[Manifest], ends: set[str]) -> None:
    """The server deletes what is in a namespace that goes, volumes that their VMs would leave, too, and what
    was never protected, but had to wait.
    """
    home, taken = session.namespace, await taken_along(session, ends, going)
    if noun.word == "vm":
        told = effects(noun, going, taken.disks, volumes=True, home=home)
        losers = losing(going, taken.disks, volumes=True)
        sure = effects(noun, losers, taken.disks, volumes=True, home=home)
    else:
        told = [deleted(noun.word, obj, home) for obj in going]
        sure = told if noun.word == "volume" else []
    shown = [line for line in told if line not in sure and not session.assume_yes]
    more = len(shown) - _LISTED
    shown = [*shown[:_LISTED], f"and {more} more"] if more > 0 else shown
    are = f"Namespace {min(ends)} is" if len(ends) == 1 else f"Namespaces {', '.join(sorted(ends))} are"
    others = f", with {taken.counts} beside it" if taken.counts else ""
    question = (
        f"{are} being deleted, and what is protected no more goes with it for good. "
        f"Let {these(going, noun.singular, home)} go{others}?"
    )
    all_told = [*sure, *shown, *taken.told(home)]
    confirm(
        question, all_told, assume_yes=session.assume_yes, terminal=session.terminal, always_told=all_told
    )


async def _confirm_end_of_volume(session: Session, noun: Noun, volume: Manifest) -> None:
    """Of a volume that its VM, which is being deleted, takes along."""
    metadata = volume["metadata"]
    name = look(volume, "metadata.annotations", {}).get(ANNOTATION_VIRTUAL_MACHINE)
    if not name or LABEL_VIRTUAL_MACHINE_UID not in look(volume, "metadata.labels", {}):
        return
    try:
        vm = await session.api.get(VIRTUAL_MACHINES, name, metadata["namespace"])
    except (Forbidden, NotFound):
        return
    if not is_leaving(vm) or not is_owned(volume, vm):
        return
    told = [f"deletes volume {metadata['name']} with all data"]
    question = f"VM {name} is being deleted, and takes its volumes along. Let volume {metadata['name']} go?"
    confirm(question, told, assume_yes=session.assume_yes, terminal=session.terminal, always_told=told)
