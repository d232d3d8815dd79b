"""Reads what a command needs from the API: objects of a noun, and how long each host has been silent."""

from __future__ import annotations

from datetime import datetime

from quantix_api import resources
from quantix_cli.exits import CommandError, Exit
from quantix_cli.measures import age_s, utc_now
from quantix_cli.nouns import Manifest, Noun, World, condition, look, state
from quantix_cli.selection import Picked, Selection, pick
from quantix_cli.session import Session
from quantix_client.errors import Forbidden, NotFound

_SHARED = "quantix-shared"
# the words of quantix_api.state
STATE_WORDS = (
    *("Running", "Stopped", "Paused", "Starting", "Stopping", "Waiting", "Working", "Ready", "Failed"),
    *("Unknown", "Migrating", "Recovering", "Deleting", "Joining", "Maintenance", "Draining", "Clean"),
    *("Suspect", "Unreachable", "Isolated", "StorageLost", "Fencing", "Fenced"),
)


async def objects_of(session: Session, noun: Noun) -> list[Manifest]:
    """Every object of `noun` in the session's namespace (cluster kinds: all), by name.

    Tenants see shared images and networks as `shared/NAME` in specs; here they are listed with -n.
    """
    namespace = session.namespace if noun.resource.namespaced else None
    found = await session.api.list(noun.resource, namespace)
    return sorted(found.items, key=lambda o: (o["metadata"].get("namespace", ""), o["metadata"]["name"]))


async def world(session: Session) -> World:
    """The time and the hosts' silence. Who may not read Leases sees the last word of each host."""
    now = utc_now()
    try:
        leases = (await session.api.list(resources.LEASES, "quantix-hosts")).items
    except (Forbidden, NotFound):
        return World(now, {})
    ages = {lease["metadata"]["name"]: _silence_s(lease, now) for lease in leases}
    return World(now, {host: age for host, age in ages.items() if age is not None})


async def selected(session: Session, noun: Noun, selection: Selection) -> tuple[Picked, World]:
    """The objects that `selection` means. Raises CommandError (5) for a name that is not there."""
    refuse_unknown_states(selection.states)
    namespace = session.namespace if noun.resource.namespaced else None
    items = (await session.api.list(noun.resource, namespace, label_selector=selection.labels)).items
    if namespace and not items:
        await _refuse_unknown_namespace(session, namespace)
    items.sort(key=lambda o: (o["metadata"].get("namespace", ""), o["metadata"]["name"]))
    seen = await world(session)
    picked = pick(items, selection.names, noun.word)
    kept = tuple(o for o in picked.objects if _fits(o, selection, seen))
    return Picked(kept, picked.typed_out), seen


def refuse_unknown_states(states: tuple[str, ...]) -> None:
    """Raise CommandError (2) with the words that exist when one does not."""
    known = {word.lower() for word in STATE_WORDS}
    for word in states:
        if word.lower() not in known:
            raise CommandError(Exit.USAGE, f"No state is called {word}.", f"one of {', '.join(STATE_WORDS)}")


async def _refuse_unknown_namespace(session: Session, namespace: str) -> None:
    try:
        await session.api.get(resources.NAMESPACES, namespace)
    except NotFound as error:
        raise CommandError(
            Exit.NOT_FOUND, f"There is no namespace {namespace}.", "kubectl get namespaces"
        ) from error
    except Forbidden:
        # who may not look at namespaces gets the empty list of one
        return


def _fits(obj: Manifest, selection: Selection, seen: World) -> bool:
    host = look(obj, "status.assignment.host") or look(obj, "status.host")
    return (
        (not selection.host or host == selection.host)
        and (not selection.states or state(obj, seen).word.lower() in {s.lower() for s in selection.states})
        and (not selection.reasons or condition(obj).get("reason") in selection.reasons)
    )


def _silence_s(lease: Manifest, now: datetime) -> float | None:
    return age_s(look(lease, "spec.renewTime"), now)
