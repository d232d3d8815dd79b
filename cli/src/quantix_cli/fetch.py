"""Reads what a command needs from the API: objects of a noun, and how long each host has been silent."""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from quantix_api import resources
from quantix_api.conditions import condition_of
from quantix_api.message_text import cause_of, hint_of
from quantix_api.resources import NAMESPACE_SHARED
from quantix_api.state import PHASES_SHOWN
from quantix_cli.exits import CommandError, Exit
from quantix_cli.floating import Floating
from quantix_cli.measures import age_s, utc_now
from quantix_cli.mentions import SECRET, Mention, new_mentions
from quantix_cli.naming import SHARED_NOUNS, Name, parse_name, reference
from quantix_cli.nouns import NOUNS, Manifest, Noun, World, look, state
from quantix_cli.selection import Picked, Selection, not_found, pick
from quantix_cli.session import Session, no_namespace
from quantix_client.errors import Forbidden, NotFound

# the words of quantix_api.state
STATE_WORDS = (
    *("Running", "Stopped", "Paused", "Starting", "Stopping", "Waiting", "Working", "Ready", "Failed"),
    *("Unknown", "Migrating", "Recovering", "Deleting", "Joining", "Maintenance", "Draining", "Clean"),
    *("Suspect", "Unreachable", "Isolated", "StorageLost", "Fencing", "Fenced", "Succeeded", "Cancelled"),
    *PHASES_SHOWN,
)
# what only kubectl shows: of whatever waits, or is being worked on
_PHASE_ALONE = "Pending"


async def objects_of(session: Session, noun: Noun) -> list[Manifest]:
    """Every object of `noun` in the session's namespace (cluster kinds: all), by name."""
    return in_order((await session.api.list(noun.resource, _namespace(session, noun))).items)


async def visible_of(session: Session, noun: Noun) -> list[Manifest] | None:
    """Every object of `noun` that the account may list: in all namespaces, else in the session's. None: it
    may list none of a cluster kind.
    """
    try:
        return await objects_of(replace(session, namespace=None), noun)
    except Forbidden:
        return await objects_of(session, noun) if noun.resource.namespaced else None


async def world(session: Session) -> World:
    """The time and the hosts' silence. Who may not read Leases sees the last word of each host, and by the
    pools, which everybody may read, whether there is more than one.
    """
    now = utc_now()
    try:
        leases = (await session.api.list(resources.LEASES, "quantix-hosts")).items
    except (Forbidden, NotFound):
        return World(now, {}, await _pooling_hosts(session))
    ages = {lease["metadata"]["name"]: _silence_s(lease, now) for lease in leases}
    return World(now, {host: age for host, age in ages.items() if age is not None})


async def with_floating(session: Session, noun: Noun, seen: World) -> World:
    """`seen` with the floating IPs that lead to VMs, where `noun` is theirs."""
    if noun.word != "vm":
        return seen
    leading: dict[str, tuple[Floating, ...]] = {}
    with contextlib.suppress(Forbidden, NotFound):
        for one in await objects_of(session, NOUNS["floatingip"]):
            status = one.get("status") or {}
            if status.get("nic") and status.get("address"):
                key = f"{one['metadata']['namespace']}/{look(one, 'spec.virtualMachine')}"
                found = Floating(one["metadata"]["name"], status["address"], status["nic"])
                leading[key] = (*leading.get(key, ()), found)
    return replace(seen, floating=leading)


async def _pooling_hosts(session: Session) -> int:
    with contextlib.suppress(Forbidden):
        pools = (await session.api.list(resources.STORAGE_POOLS)).items
        return max((look(pool, "status.hosts", 0) for pool in pools), default=0)
    return 0


async def selected(
    session: Session, noun: Noun, selection: Selection, *, untouched: str = ""
) -> tuple[Picked, World]:
    """The objects that `selection` means. Raises CommandError: 5 for a name that is not there, with what
    `untouched` says of the others where there are any, 2 for a filter that means nothing for the noun.
    """
    import asyncio  # late: 0.04 s, which help texts must not pay

    refuse_unknown_states(selection.states)
    refuse_host(noun, selection.host)
    names = tuple(parse_name(written, noun.word) for written in selection.names)
    items, seen = await asyncio.gather(
        _candidates(session, noun, selection.labels, with_shared=bool(names)), world(session)
    )
    try:
        picked = pick(items, names, noun.word, _namespace(session, noun))
    except CommandError as error:
        if untouched and len(names) > 1:
            raise CommandError(error.exit_code, f"{error.message} {untouched}", error.hint) from error
        raise
    kept = tuple(o for o in picked.objects if fits(o, selection, seen))
    return Picked(kept, picked.typed_out), seen


async def count_shared(session: Session, noun: Noun, selection: Selection, seen: World) -> int:
    """How many objects of `quantix-shared` pass the filters beside those of the session's namespace."""
    if selection.names or not _has_shared_beside(session, noun):
        return 0
    return sum(fits(obj, selection, seen) for obj in await _shared(session, noun, selection.labels))


async def one(session: Session, noun: Noun, name: Name) -> Manifest:
    """The object of that name. Raises CommandError: 5 with the nearest name, 2 where -A leaves it open."""
    namespace = name.namespace or _namespace(session, noun)
    if namespace is None and noun.resource.namespaced:
        raise CommandError(Exit.USAGE, f"In which namespace is {noun.singular} {name}?", "-n NAMESPACE")
    try:
        return await session.api.get(noun.resource, name.name, namespace)
    except NotFound as error:
        items = await _candidates(session, noun, "", with_shared=True)
        known = [reference(obj, noun.word, session.namespace) for obj in items]
        raise not_found(name, known, noun.word) from error


async def image(session: Session, written: str) -> Manifest:
    """The image that `written` means. Raises CommandError as `one` does; where it is a file that lies here
    and no image, with the command that makes one of it.
    """
    try:
        return await one(session, NOUNS["image"], parse_name(written, "image"))
    except CommandError as error:
        if error.exit_code not in (Exit.NOT_FOUND, Exit.USAGE) or not Path(written).is_file():
            raise
        said = error.message if error.exit_code is Exit.NOT_FOUND else f"{written} is a file, not an image."
        raise CommandError(Exit.NOT_FOUND, said, f"qx image upload {shlex.quote(written)}") from error


async def refuse_missing(
    session: Session,
    namespace: str | None,
    spec: Manifest,
    before: Manifest | None = None,
    own: Mention | None = None,
) -> None:
    """Raise CommandError (5), with the nearest name, for what `spec` (or a patch) names that is not there,
    and (6) for an image that was refused: nothing comes of it.

    What the spec `before` named already is nobody's mistake of now, nor is what `new_mentions` takes from a
    new object, its `own`; what the account may not look at is left to the API.
    """
    import asyncio  # late, as above

    here = replace(session, namespace=namespace)

    async def look_for(word: str, written: str) -> None:
        with contextlib.suppress(Forbidden):
            if word == SECRET:
                await _refuse_missing_secret(here, written)
            elif word == "image":
                _refuse_stalled(await image(here, written), written)
            else:
                await one(here, NOUNS[word], parse_name(written, word))

    await asyncio.gather(*(look_for(*mention) for mention in new_mentions(spec, before or {}, own)))


def _refuse_stalled(image: Manifest, written: str) -> None:
    if condition_of(image, "Stalled").get("status") == "True":
        message = str(condition_of(image).get("message", ""))
        told = f"Nothing comes of image {written}: {cause_of(message)}."
        raise CommandError(Exit.REFUSED, told, hint_of(message) or f"qx image explain {written}")


async def _refuse_missing_secret(session: Session, name: str) -> None:
    """Without the nearest name: a list of Secrets is a list of what they hold."""
    try:
        await session.api.get(resources.SECRETS, name, session.namespace)
    except NotFound as error:
        known = f"kubectl get secrets -n {session.namespace}"
        raise CommandError(Exit.NOT_FOUND, f"There is no Secret {name} here.", known) from error


async def _candidates(session: Session, noun: Noun, labels: str, *, with_shared: bool) -> list[Manifest]:
    """The objects of the session's namespace; where names were typed, shared ones that they may mean, too."""
    home = _namespace(session, noun)
    listed = await session.api.list(noun.resource, home, label_selector=labels)
    items = listed.items
    if home and not items:
        await _refuse_unknown_namespace(session, home)
    if with_shared and _has_shared_beside(session, noun):
        items = items + await _shared(session, noun, labels)
    return in_order(items)


def _has_shared_beside(session: Session, noun: Noun) -> bool:
    """Whether there may be shared objects that a list of the session's namespace does not have."""
    return noun.word in SHARED_NOUNS and session.namespace not in (None, NAMESPACE_SHARED)


async def _shared(session: Session, noun: Noun, labels: str) -> list[Manifest]:
    with contextlib.suppress(Forbidden):
        return (await session.api.list(noun.resource, NAMESPACE_SHARED, label_selector=labels)).items
    # who may not look there has none to mean
    return []


def _namespace(session: Session, noun: Noun) -> str | None:
    return session.namespace if noun.resource.namespaced else None


def in_order(items: list[Manifest]) -> list[Manifest]:
    """By namespace, then by name."""
    return sorted(items, key=lambda o: (o["metadata"].get("namespace", ""), o["metadata"]["name"]))


def refuse_unknown_states(states: tuple[str, ...]) -> None:
    """Raise CommandError (2) with the words that exist when one does not."""
    known = {word.lower() for word in (*STATE_WORDS, _PHASE_ALONE)}
    for word in states:
        if word.lower() not in known:
            raise CommandError(Exit.USAGE, f"No state is called {word}.", f"one of {', '.join(STATE_WORDS)}")


def refuse_host(noun: Noun, host: str) -> None:
    """Raise CommandError (2) where objects are to be chosen by a host that have none."""
    if host and not noun.on_hosts:
        hint = f"qx {noun.word} list {host}" if noun.word == "host" else f"qx {noun.word} list"
        raise CommandError(Exit.USAGE, f"--host means nothing for {noun.plural}.", hint)


async def _refuse_unknown_namespace(session: Session, namespace: str) -> None:
    try:
        await session.api.get(resources.NAMESPACES, namespace)
    except NotFound as error:
        raise no_namespace(namespace) from error
    except Forbidden:
        # who may not look at namespaces gets the empty list of one
        return


def fits(obj: Manifest, selection: Selection, seen: World) -> bool:
    """Whether it passes the filters of `selection`."""
    host = look(obj, "status.assignment.host") or look(obj, "status.host")
    return bool(
        (not selection.host or host == selection.host)
        and (not selection.states or _words(obj, seen) & {word.lower() for word in selection.states})
        and (not selection.reasons or condition_of(obj).get("reason") in selection.reasons)
    )


def _words(obj: Manifest, seen: World) -> set[str]:
    """What --state finds it by: its state word, what that stands for, and the phase where no state has its
    name. A phase that has one is a host's last word, and may be no longer so.
    """
    words, phase = {state(obj, seen).word}, look(obj, "status.phase")
    words |= {PHASES_SHOWN[word].word for word in words if word in PHASES_SHOWN}
    return {word.lower() for word in words | ({phase} if phase == _PHASE_ALONE else set())}


def _silence_s(lease: Manifest, now: datetime) -> float | None:
    return age_s(look(lease, "spec.renewTime"), now)
