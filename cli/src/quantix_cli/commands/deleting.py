"""`qx NOUN delete`: asks first, says what stays, waits until the objects are gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import click

from quantix_api import resources
from quantix_api.conditions import condition_of
from quantix_api.message_text import cause_of, hint_of
from quantix_cli import fetch
from quantix_cli.commands.selecting import refuse_no_selection, selecting
from quantix_cli.exits import CommandError, Exit
from quantix_cli.fates import (
    Fate,
    effects,
    fate_of,
    going_with,
    in_the_way,
    is_protected,
    losing,
    own_names,
    volumes_of,
)
from quantix_cli.going_with import bind, end_at_once, show_end_at_once
from quantix_cli.helping import Verb
from quantix_cli.host_conditions import refuse_heard
from quantix_cli.in_use import refusal_of
from quantix_cli.kept_for_copies import tell_kept
from quantix_cli.naming import reference, these
from quantix_cli.nouns import NOUNS, Manifest, Noun, look
from quantix_cli.options import Invocation, with_options, write_options
from quantix_cli.questions import confirm
from quantix_cli.selection import Selection
from quantix_cli.session import Session, each
from quantix_client.errors import Forbidden, NotFound, Unprocessable

_OF_VMS = (
    click.option("--volumes", is_flag=True, help="Delete the volumes that would stay, too."),
    click.option("--now", is_flag=True, help="Pull the plug: unsaved data in the guest is lost."),
)
_POLL_S = 0.3
# kinds that stay in force while somebody uses them
_KEPT_BY_USERS = ("securitygroup", "router")
# what is gone by then needs no line on the way
_QUIET_S = 2.0


def delete_command(word: str) -> click.Command:
    """The command `qx WORD delete NAME...`."""
    noun = NOUNS[word]

    @click.command(
        "delete",
        cls=Verb,
        short_help=f"delete {noun.plural}",
        help=f"Delete {noun.plural}. Asks first, and waits until they are gone.",
        examples=(
            f"qx {word} delete NAME",
            f"qx {word} delete 'old-*' --dry-run",
            *(("qx vm delete NAME --now",) if word == "vm" else ()),
        ),
    )
    @selecting(noun)
    @click.option("--no-wait", is_flag=True, help="Do not wait until they are gone.")
    @write_options
    def command(
        invocation: Invocation,
        selection: Selection,
        no_wait: bool,
        volumes: bool = False,
        now: bool = False,
    ) -> int:
        refuse_no_selection(selection, noun, "delete")

        async def act(session: Session) -> Exit:
            return await _delete(session, noun, selection, volumes=volumes, wait=not no_wait, now=now)

        return invocation.run(act)

    return with_options(command, _OF_VMS) if word == "vm" else command


async def _delete(
    session: Session, noun: Noun, selection: Selection, *, volumes: bool, wait: bool, now: bool = False
) -> Exit:
    """Ask, then delete what is selected, with the volumes of VMs that would stay where `volumes` says so.
    `now`: guests have no time to shut down.
    """
    objects = await _picked(session, noun, selection)
    found = await _volumes(session, noun)
    disks = volumes_of(objects, found)
    going = going_with(objects, disks, volumes=volumes)
    # of what is refused there is nothing more to tell
    own = [volume for volume in objects if not is_refused(volume)] if noun.word == "volume" else going
    needed = await tell_kept(session, own)
    told, lost = (
        effects(noun, some, disks, volumes=volumes, home=session.namespace, now=now)
        for some in (objects, losing(objects, disks, volumes=volumes))
    )
    question, sure = f"Delete {these(objects, noun.singular, session.namespace)}?", session.assume_yes
    confirm(question, told, assume_yes=sure, terminal=session.terminal, always_told=lost)

    def waits(obj: Manifest) -> bool:
        return wait and obj["metadata"]["uid"] not in needed

    async def remove(obj: Manifest) -> None:
        left, bound = _left(obj, disks.get(obj["metadata"]["uid"], []), volumes=volumes), list[Manifest]()
        if now:
            show_end_at_once(session, obj)

        async def once_accepted() -> None:
            if volumes:
                bound.extend([volume for volume in left if await bind(session, volume, obj)])
            if now:
                await end_at_once(session, obj)

        if not await remove_object(session, noun, obj, wait=waits(obj), then=once_accepted) and not volumes:
            return
        _tell_in_the_way(session, obj, found if volumes else ())
        for volume in left:
            name = volume["metadata"]["name"]
            if not volumes or is_protected(volume):
                session.terminal.note(_staying(session, volume, obj, volumes=volumes))
            elif session.showing.dry_run:
                session.write.show_deletion(resources.VOLUMES, volume)
            elif volume in bound and not wait:
                session.terminal.note(f"Volume {name} goes with it.")
            else:
                await remove_object(session, NOUNS["volume"], volume, wait=waits(volume))

    return await each(objects, remove, session)


async def _picked(session: Session, noun: Noun, selection: Selection) -> list[Manifest]:
    picked, _ = await fetch.selected(session, noun, selection, untouched="Nothing was deleted.")
    if noun.word == "host":
        refuse_heard(picked.objects)
    return list(picked.objects)


def _staying(session: Session, volume: Manifest, vm: Manifest, *, volumes: bool) -> str:
    """That it stays, as was told before anybody was asked, so that it is no failure; `volumes`: who wanted it
    gone learns how.
    """
    stays = f"Volume {volume['metadata']['name']} stays"
    if not is_protected(volume):
        again = volume["metadata"]["name"] in own_names(vm)
        return f"{stays}{'; the next VM ' + vm['metadata']['name'] + ' gets it' if again else ''}."
    named = reference(volume, "volume", session.namespace)
    way = f"   qx volume set {named} --no-protect, then qx volume delete {named}" if volumes else ""
    return f"{stays}: it is protected.{way}"


async def _volumes(session: Session, noun: Noun) -> Sequence[Manifest]:
    """Those that may be the VMs' that are deleted."""
    if noun.word != "vm":
        return ()
    return (await session.api.list(resources.VOLUMES, session.namespace)).items


def _tell_in_the_way(session: Session, vm: Manifest, volumes: Sequence[Manifest]) -> None:
    """That what is called as its disk is stays: who wanted the volumes gone might think that it went, too."""
    for name in in_the_way(vm, volumes):
        session.terminal.note(f"Volume {name} stays: it was not a disk of {vm['metadata']['name']}.")


def _left(vm: Manifest, disks: Sequence[Manifest], *, volumes: bool) -> list[Manifest]:
    """Those of a VM's volumes that are told of once it goes. With `volumes` also those that are still empty:
    should the VM get a host meanwhile, they would stay.
    """
    told = (Fate.KEPT, Fate.PROTECTED, *((Fate.EMPTY,) if volumes else ()))
    return [disk for disk in disks if fate_of(disk, vm, volumes=False) in told]


def is_refused(volume: Manifest) -> bool:
    """Whether the API refuses to delete a volume by itself: it is protected, or a disk of a VM. Pure; as the
    policy of deletion has it.
    """
    marked = resources.LABEL_VIRTUAL_MACHINE_UID in look(volume, "metadata.labels", {})
    return marked or bool(look(volume, "status.attachedTo")) or is_protected(volume)


def _asks_guest(obj: Manifest) -> bool:
    """Whether its guest has time to shut down, which may be taken from it."""
    return condition_of(obj).get("reason") == "Stopping" and look(obj, "spec.gracePeriodSeconds") != 0


def _in_use(session: Session, name: str, ready: Manifest) -> CommandError:
    """The end of a wait that only whoever uses it ends."""
    message = session.terminal.plain(str(ready.get("message", "")))
    said = f"{name} is not gone yet. {cause_of(message)} (InUse). It goes by itself after that."
    return CommandError(Exit.FAILED, said, hint_of(message))


async def remove_object(
    session: Session,
    noun: Noun,
    obj: Manifest,
    *,
    wait: bool,
    then: Callable[[], Awaitable[None]] | None = None,
) -> bool:
    """Whether it was deleted, and not only shown how. `then` is done once the API has accepted it, before
    anything is waited for: nobody may be there later.
    """
    name, namespace = obj["metadata"]["name"], obj["metadata"].get("namespace")
    clock, told = session.clock, ""
    begun = clock.monotonic()
    try:
        if not await session.write.delete(noun.resource, obj):
            return False
        if then is not None:
            await then()
        while wait:
            latest = await session.api.get(noun.resource, name, namespace)
            if latest["metadata"]["uid"] != obj["metadata"]["uid"]:
                break
            ready = condition_of(latest)
            said = cause_of(str(ready.get("message", "")))
            if noun.word in _KEPT_BY_USERS and ready.get("reason") == "InUse":
                raise _in_use(session, name, ready)
            if said and said != told and clock.monotonic() - begun > _QUIET_S:
                told = said
                sooner = f"   qx vm delete {name} --now" if _asks_guest(latest) else ""
                session.terminal.note(session.terminal.plain(f"{name}: {said}.{sooner}"))
            if clock.monotonic() - begun > session.timeout_s:
                raise CommandError(
                    Exit.TIMED_OUT, f"{name} is still being deleted{': ' + said if said else ''}.",
                    f"qx {noun.word} explain {reference(obj, noun.word, session.namespace)}",
                )  # fmt: skip
            await clock.sleep(_POLL_S)
    except (Forbidden, Unprocessable) as error:
        raise await refusal_of(session, obj, error) from error
    except NotFound:
        pass  # gone: what was asked for
    session.terminal.note(f"{noun.singular} {name} {'deleted' if wait else 'is being deleted'}.")
    return True
