"""Asks before a protection is taken off that alone keeps something from being deleted: that of a VM, a volume
or an image in a namespace that is being deleted, and of a volume that goes with its VM.

Used by `qx vm|volume|image set --no-protect`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from quantix_api.resources import (
    ANNOTATION_VIRTUAL_MACHINE,
    LABEL_VIRTUAL_MACHINE_UID,
    VIRTUAL_MACHINES,
    VOLUMES,
)
from quantix_cli.fates import effects, is_of, is_protected, losing
from quantix_cli.going_with import is_owned
from quantix_cli.homes import is_going
from quantix_cli.naming import shown, these
from quantix_cli.nouns import NOUNS, Manifest, Noun, look
from quantix_cli.questions import confirm
from quantix_cli.session import Session
from quantix_client.errors import Forbidden, NotFound

_WITH_DATA = {"volume": " with all data"}
_MOST_OTHERS = 20


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
    """The server deletes what is in a namespace that goes, volumes that their VMs would leave, too."""
    disks = await _disks(session, going) if noun.word == "vm" else {}
    home = session.namespace
    told = effects(noun, going, disks, volumes=True, home=home)
    if noun.word != "vm":
        told = [f"deletes {line}{_WITH_DATA.get(noun.word, '')}" for line in told]
    losers = effects(noun, losing(going, disks, volumes=True), disks, volumes=True, home=home)
    others = await _others(session, ends, going)
    are = f"Namespace {min(ends)} is" if len(ends) == 1 else f"Namespaces {', '.join(sorted(ends))} are"
    question = (
        f"{are} being deleted, and what is protected no more goes with it for good. "
        f"Let {these(going, noun.singular, home)} go?"
    )
    confirm(
        question,
        told + others,
        assume_yes=session.assume_yes,
        terminal=session.terminal,
        always_told=(told if noun.word == "volume" else losers) + others,
    )


async def _others(session: Session, ends: set[str], going: list[Manifest]) -> list[str]:
    """What else is in namespaces that go, with no protection of its own: where it is there still, it only
    waits for what is protected. What the account may not list is left out.
    """
    uids = {obj["metadata"]["uid"] for obj in going}
    found = []
    for noun in (NOUNS[word] for word in ("vm", "volume", "image")):
        for home in sorted(ends):
            with contextlib.suppress(Forbidden):
                found += [
                    f"deletes {noun.singular} {shown(obj, session.namespace)}, which waits for the same"
                    for obj in (await session.api.list(noun.resource, home)).items
                    if not (is_protected(obj) or is_leaving(obj) or obj["metadata"]["uid"] in uids)
                    and not (noun.word == "volume" and _is_of_some_vm(obj))
                ]
    more = len(found) - _MOST_OTHERS
    return [*found[:_MOST_OTHERS], *([f"deletes {more} more that wait for the same"] if more > 0 else [])]


def _is_of_some_vm(volume: Manifest) -> bool:
    return bool(
        LABEL_VIRTUAL_MACHINE_UID in look(volume, "metadata.labels", {})
        or look(volume, "status.attachedTo", [])
    )


async def _disks(session: Session, vms: list[Manifest]) -> dict[str, list[Manifest]]:
    """For each VM's UID the volumes that it has: its own, and those that it names."""
    found = []
    for home in sorted({vm["metadata"]["namespace"] for vm in vms}):
        with contextlib.suppress(Forbidden):
            found += (await session.api.list(VOLUMES, home)).items
    return {vm["metadata"]["uid"]: [volume for volume in found if _has(vm, volume)] for vm in vms}


def _has(vm: Manifest, volume: Manifest) -> bool:
    uid = vm["metadata"]["uid"]
    return is_of(volume, vm) or any(user.get("uid") == uid for user in look(volume, "status.attachedTo", []))


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
