"""What `create` and `set` of every noun share: where the object is to be, the write, the wait after it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import click

from quantix_api.conditions import condition_of
from quantix_api.message_text import cause_of, hint_of
from quantix_api.messages import render
from quantix_cli import fetch
from quantix_cli.amounts import parse_changes, parse_pairs
from quantix_cli.commands.letting_go import confirm_protection
from quantix_cli.commands.selecting import UNTOUCHED, confirm_selection, refuse_no_selection
from quantix_cli.exits import CommandError, Exit, refused
from quantix_cli.homes import refuse_going
from quantix_cli.left_behind import telling_what_stays
from quantix_cli.measures import age_s, duration, how_long, utc_now
from quantix_cli.mentions import Mention
from quantix_cli.naming import Name, new_name
from quantix_cli.nouns import NOUNS, Manifest, Noun, look
from quantix_cli.options import Invocation
from quantix_cli.selection import Selection
from quantix_cli.session import Session, each
from quantix_cli.waiting import Wait, is_ready, until
from quantix_client.errors import AlreadyExists, NotFound

Check = Callable[[Session, Manifest], Awaitable[None]]
"""Raises CommandError for what would be accepted and come to nothing; or tells more of what was made."""
_AT_REST = ("WaitingForHost", "WaitingForUpload", "DefaultConflict")
_ANY = "…"
_UNCHANGING = ("snapshot",)
"""Nouns of which no new one can be made by changing one that is there."""
_SAY_MORE = ("floatingip",)
"""Nouns whose Ready says what was chosen for them."""

LABEL = click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label (repeatable).")
LABEL_CHANGE = click.option(
    "--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label; KEY- takes it away."
)
NO_WAIT = click.option("--no-wait", is_flag=True, help="Return once the API has accepted it.")
PROTECT = click.option("--protect", is_flag=True, help="Refuse to delete it.")
PROTECT_CHANGE = click.option(
    "--protect/--no-protect", "protection", default=None, help="Whether it can be deleted."
)


def make(
    invocation: Invocation,
    word: str,
    name: str,
    spec: Manifest,
    *,
    labels: tuple[str, ...],
    wait: bool,
    check: Check | None = None,
    then: Check | None = None,
) -> None:
    """Create the object, and wait until it is ready; `check` sees it before, and `then` once it is."""
    noun, meant = NOUNS[word], new_name(name, word)
    pairs = parse_pairs(labels, "--label")

    async def act(session: Session) -> None:
        namespace = _namespace(session, noun, meant) if noun.resource.namespaced else None
        metadata = {"name": meant.name} | ({"namespace": namespace} if namespace else {})
        labelled = metadata | ({"labels": pairs} if pairs else {})
        manifest = {"kind": noun.resource.kind, "metadata": labelled, "spec": spec}
        await refuse_going(session, namespace)
        await fetch.refuse_missing(session, namespace, spec, own=Mention(word, meant.name))
        if check is not None:
            await check(session, manifest)
        begun = time.monotonic()
        try:
            made = await session.write.create(noun.resource, manifest)
        except AlreadyExists as error:
            raise await name_taken(session, noun, metadata) from error
        if made is None:
            return
        if not wait:
            session.terminal.note(f"{noun.singular} {meant} accepted.")
            return
        with telling_what_stays(noun, str(meant)):
            made = await _until_ready(session, noun, made)
        if _rests(made):
            message = str(condition_of(made).get("message", ""))
            said = f"{noun.singular} {meant} is there. {cause_of(message)}."
            session.terminal.note(session.terminal.plain(said))
            if _is_of_a_guest(made):
                session.terminal.note(session.terminal.plain(f"Try: {hint_of(message)}"))
            return
        session.terminal.note(f"{noun.singular} {meant} is ready after {duration(time.monotonic() - begun)}.")
        if word in _SAY_MORE:
            session.terminal.note(session.terminal.plain(str(condition_of(made).get("message", ""))))
        if then is not None:
            await then(session, made)

    invocation.run(act)


async def name_taken(session: Session, noun: Noun, metadata: Manifest) -> CommandError:
    """The refusal of a name that another object of the noun has."""
    age = None
    with contextlib.suppress(NotFound):
        # it may be deleted in this moment
        there = await session.api.get(noun.resource, metadata["name"], metadata.get("namespace"))
        age = age_s(there["metadata"].get("creationTimestamp"), utc_now())
    one = f"{noun.one[0].upper()}{noun.one[1:]}"
    named = {"kept" if noun.word in _UNCHANGING else "name": metadata["name"]}
    message = render("NameTaken", one=one, noun=noun.word, age=how_long(age or 0.0), **named)
    return refused(message)


def change(
    invocation: Invocation,
    word: str,
    selection: Selection,
    patch_of: Callable[[Manifest], Manifest],
    labels: tuple[str, ...],
    then: Callable[[Session], Awaitable[None]] | None = None,
    protection: bool | None = None,
) -> int:
    """Change the objects by what `patch_of` makes of each, and their labels; `then` is done afterwards.
    `protection`: what of that is to become of theirs, if anything.
    """
    noun = NOUNS[word]
    refuse_no_selection(selection, noun, "set")
    changes = parse_changes(labels, "--label")

    def whole_patch(live: Manifest) -> Manifest:
        patch = patch_of(live)
        new = {
            key: value
            for key, value in changes.items()
            if live["metadata"].get("labels", {}).get(key) != value
        }
        return patch | ({"metadata": {"labels": new}} if new else {})

    async def act(session: Session) -> Exit:
        picked, _ = await fetch.selected(session, noun, selection, untouched=UNTOUCHED)
        confirm_selection("Change", picked, noun, session)
        await confirm_protection(session, noun, picked.objects, protection)
        ended = await each(
            list(picked.objects), lambda obj: _change(session, noun, obj, whole_patch), session
        )
        if then is not None:
            await then(session)
        return ended

    return invocation.run(act)


def refuse_nothing(**given: Any) -> None:
    """Raise CommandError (2) where no option says what to set."""
    if all(value in (None, "", ()) for value in given.values()):
        raise CommandError(Exit.USAGE, "Set what?", "the options of --help")


async def _change(
    session: Session, noun: Noun, obj: Manifest, patch_of: Callable[[Manifest], Manifest]
) -> None:
    namespace, new = obj["metadata"].get("namespace"), patch_of(obj).get("spec", {})
    await fetch.refuse_missing(session, namespace, new, obj["spec"])
    changed = await session.write.change(noun.resource, obj, patch_of)
    if changed is None:
        return
    same = changed["metadata"].get("resourceVersion") == obj["metadata"].get("resourceVersion")
    session.terminal.note(f"{obj['metadata']['name']} {'is so already' if same else 'changed'}.")


async def _until_ready(session: Session, noun: Noun, made: Manifest) -> Manifest:
    generation = made["metadata"]["generation"]
    return await until(
        session, noun, made, lambda obj: is_ready(obj, generation) or _rests(obj), Wait(gives_up=Exit.REFUSED)
    )


def _rests(obj: Manifest) -> bool:
    """Whether nothing happens to it until somebody does something: uses it, or takes a mark away."""
    return condition_of(obj).get("reason") in _AT_REST or _is_of_a_guest(obj)


def _is_of_a_guest(obj: Manifest) -> bool:
    """Whether it is a copy of what a VM that runs may write to: for that a terminal is not kept."""
    source = look(obj, "spec.source.volume", "")
    waits = render("VolumeInUse", source=source, user=_ANY).sentence.partition(_ANY)[0]
    return bool(source) and str(condition_of(obj).get("message", "")).startswith(waits)


def _namespace(session: Session, noun: Noun, name: Name) -> str:
    namespace = name.namespace or session.namespace
    if namespace is None:
        raise CommandError(Exit.USAGE, f"In which namespace is the {noun.singular} to be?", "-n NAMESPACE")
    return namespace


def present(**fields: Any) -> Manifest:
    """The fields that say something."""
    return {key: value for key, value in fields.items() if value not in (None, "", (), [], {}, False)}


def news(live: Manifest, spec: Manifest) -> Manifest:
    """A patch with those fields of `spec` that are not so; empty where all are."""
    new = {key: value for key, value in spec.items() if live["spec"].get(key) != value}
    return {"spec": new} if new else {}
