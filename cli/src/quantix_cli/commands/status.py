"""`qx status`: one verdict, then facts, then numbered matters, each with the command that goes on."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import click

from quantix_api.conditions import condition_of
from quantix_api.message_text import cause_of, first_of, hint_of
from quantix_api.quantities import counted
from quantix_api.resources import SCHEDULING_POLICIES
from quantix_api.state import JOINING, STOPPING, StateWord
from quantix_cli import fetch, promised
from quantix_cli.exits import Exit
from quantix_cli.helping import Verb
from quantix_cli.host_conditions import GRAVE, TO_KNOW, complaints
from quantix_cli.measures import how_long, local_time
from quantix_cli.naming import reference
from quantix_cli.nouns import NOUNS, Manifest, Noun, World, look, state
from quantix_cli.options import Invocation, common_options
from quantix_cli.session import Session
from quantix_cli.terminal import Terminal
from quantix_client.errors import Forbidden, NotFound

_LABEL_WIDTH = 15
# kinds that others need: those wait or lose their network while one of these goes
_NEEDED = ("network", "router", "image")
# whose messages do not say of which host they are
_UNNAMED = ("GuestsKnown", "VolumesKnown", "HugePagesSetAside")
_GRAVE = {"red": 0, "yellow": 1}


@dataclass(frozen=True)
class Matter:
    """One thing that needs attention, or that is good to know."""

    glyph: str
    colour: str
    text: str
    command: str
    attention: bool


@dataclass(frozen=True)
class Seen:
    """All that the verdict is made from."""

    world: World
    answer_ms: int
    objects: dict[str, list[Manifest]]
    home: str | None = "default"
    """The namespace of the session, in which commands need no -n."""
    hidden: tuple[str, ...] = ()
    """The nouns that the account may not list."""
    policy: Manifest | None = None
    """The SchedulingPolicy, where the account may read it."""


@click.command(
    "status", cls=Verb, short_help="how the whole is doing, and what needs attention", examples=("qx status",)
)
@common_options
def status_command(invocation: Invocation) -> int:
    """How the whole is doing. Exit code 3 when something needs attention."""

    async def look_around(session: Session) -> Seen:
        begun = time.monotonic()
        seen = await fetch.world(session)
        answer_ms = int((time.monotonic() - begun) * 1000)
        words = ("host", "vm", "pool", "image", "volume", "network", "router", "floatingip")
        found = await asyncio.gather(*(fetch.visible_of(session, NOUNS[word]) for word in words))
        listed = dict(zip(words, found, strict=True))
        hidden = tuple(word for word in words if listed[word] is None)
        objects = {word: those or [] for word, those in listed.items()}
        policy = await _scheduling_policy(session)
        return Seen(seen, answer_ms, objects, session.namespace, hidden, policy)

    seen = invocation.run(look_around)
    matters = all_matters(seen)
    for line in report(seen, matters, invocation.terminal):
        invocation.terminal.out(line)
    return Exit.NO if any(matter.attention for matter in matters) else Exit.DONE


async def _scheduling_policy(session: Session) -> Manifest | None:
    try:
        return await session.api.get(SCHEDULING_POLICIES, "default")
    except (Forbidden, NotFound):
        return None


def report(seen: Seen, matters: Sequence[Matter], terminal: Terminal) -> list[str]:
    """The lines of `qx status`. Pure."""
    verdict = _verdict(seen, matters)
    hosts = seen.objects["host"]
    place = f"namespace {seen.home}" if "host" in seen.hidden else counted(len(hosts), "host")
    where = f"{place} · {version('quantix')}"
    lines = [
        terminal.paint(verdict, "bold") + "   " + terminal.plain(f"{where} · {local_time(seen.world.now)}")
    ]
    lines += [_fact("control plane", f"✓ answers in {seen.answer_ms} ms", terminal)]
    if "host" not in seen.hidden:
        lines += [_fact("hosts", _tally(hosts, seen.world), terminal)]
    lines += [_fact("VMs", _tally(seen.objects["vm"], seen.world), terminal)]
    lines += [_fact(label, text, terminal) for label, text in _promised(seen)]
    if seen.hidden:
        kinds = " and ".join(f"{NOUNS[word].singular}s" for word in seen.hidden)
        lines += [_fact("not shown", f"{kinds}, which your account may not list", terminal)]
    for number, matter in enumerate(matters, 1):
        mark = terminal.paint(terminal.plain(matter.glyph), matter.colour)
        lines.append(f"{number} {mark} {terminal.plain(matter.text)}   {terminal.here.told(matter.command)}")
    return lines


def _verdict(seen: Seen, matters: Sequence[Matter]) -> str:
    attention = sum(matter.attention for matter in matters)
    rest = len(matters) - attention
    if attention:
        return f"Needs attention: {attention}"
    words = {state(host, seen.world).word for host in seen.objects["host"]}
    if words == {JOINING.word}:
        # nothing can run yet, so nothing is healthy
        return f"Getting ready: {next(matter.text for matter in matters if matter.glyph == JOINING.glyph)}"
    if words == {STOPPING.word}:
        # on purpose, and nothing runs any more
        return f"Being stopped: {next(matter.text for matter in matters if matter.glyph == STOPPING.glyph)}"
    return "Healthy" + (f", {counted(rest, 'thing')} to know" if rest else "")


def all_matters(seen: Seen) -> list[Matter]:
    """What is not as it should be, gravest first."""
    matters: list[Matter] = []
    if not seen.objects["host"] and "host" not in seen.hidden:
        text = "There is no host yet, so no VM can run."
        matters.append(Matter("▲", "yellow", text, "make up", attention=True))
    for word, objects in seen.objects.items():
        for obj in objects:
            matters += _matters(obj, NOUNS[word], seen)
    matters += _held_namespaces(seen)
    return sorted(matters, key=lambda m: (not m.attention, _GRAVE.get(m.colour, 2)))


def _matters(obj: Manifest, noun: Noun, seen: Seen) -> list[Matter]:
    name, shown, ready = obj["metadata"]["name"], state(obj, seen.world), condition_of(obj)
    explain = f"qx {noun.word} explain {reference(obj, noun.word, seen.home)}"
    if noun.word == "host" and shown in (JOINING, STOPPING):
        return [_on_its_way(name, shown, ready, explain)]
    if shown.colour in ("red", "yellow") and ready.get("status") != "True":
        said = cause_of(str(ready.get("message", ""))) or shown.word
        return [Matter(shown.glyph, shown.colour, f"{name} {shown.word}: {said}.", explain, attention=True)]
    if lacking := _lacking(obj, noun, shown.word):
        return [Matter("▲", "yellow", f"{noun.singular} {name} {lacking}.", explain, attention=True)]
    if noun.word == "host" and shown.colour in ("red", "yellow"):
        # its own last word is that it is well
        age_s = seen.world.lease_ages_s.get(name)
        heard = "it is not heard" if age_s is None else f"it was last heard {how_long(age_s)} ago"
        silent = f"{name} is {shown.word}: {heard}."
        return [Matter(shown.glyph, shown.colour, silent, explain, attention=True)]
    return _host_matters(obj, explain) if noun.word == "host" else []


def _held_namespaces(seen: Seen) -> list[Matter]:
    """The namespaces whose deletion waits for somebody to decide about what is protected in them, and what
    goes with them.
    """
    found: dict[str, tuple[list[tuple[Noun, Manifest]], list[tuple[Noun, Manifest]]]] = {}
    for word in ("vm", "volume", "image"):
        for obj in seen.objects.get(word, ()):
            told = condition_of(obj, "NamespaceKept")
            if told.get("status") == "False" and not look(obj, "metadata.deletionTimestamp"):
                holders, others = found.setdefault(obj["metadata"]["namespace"], ([], []))
                side = others if told.get("reason") == "GoesWithNamespace" else holders
                side.append((NOUNS[word], obj))
    matters = []
    for namespace, (holders, others) in sorted(found.items()):
        (noun, first), *_ = holders or others
        text = f"namespace {namespace} is being deleted"
        text += f", and waits for what is protected: {_named(holders)}" if holders else ""
        text += f"; what goes with it: {_named(others)}" if others else ""
        explain = f"qx {noun.word} explain {reference(first, noun.word, seen.home)}"
        # where nothing is seen to hold it, it goes by itself
        matters.append(Matter("▲", "yellow", f"{text}.", explain, attention=bool(holders)))
    return matters


def _named(objects: Sequence[tuple[Noun, Manifest]]) -> str:
    return first_of([f"{noun.singular} {obj['metadata']['name']}" for noun, obj in objects])


def _host_matters(host: Manifest, explain: str) -> list[Matter]:
    """What is to be known of a host that is Ready."""
    matters, drained = [], condition_of(host, "Drained")
    if drained.get("reason") == "Blocked":
        why = cause_of(str(drained.get("message", "")))
        text = f"host {host['metadata']['name']} is not empty: {why}."
        matters.append(Matter("▲", "yellow", text, explain, attention=True))
    for condition in complaints(host, *TO_KNOW, *GRAVE):
        said, kind = cause_of(str(condition.get("message", ""))), condition["type"]
        text = f"host {host['metadata']['name']}: {said}." if kind in _UNNAMED else f"{said}."
        matters.append(Matter("▲", "yellow", text, explain, attention=kind in GRAVE))
    return matters


def _lacking(obj: Manifest, noun: Noun, word: str) -> str:
    """What others miss though the object's own state is no alarm; "" for nothing."""
    if noun.word in _NEEDED and look(obj, "metadata.deletionTimestamp"):
        said = cause_of(str(condition_of(obj).get("message", "")))
        return f"is being deleted: {said}" if said else "is being deleted"
    wired = condition_of(obj, "NetworkReady")
    if noun.word == "vm" and word == "Running" and wired.get("status") == "False":
        return f"is Running without its network: {cause_of(str(wired.get('message', '')))}"
    room = condition_of(obj, "HasRoom")
    if noun.word == "pool" and room.get("status") == "False":
        return f"fills up: {cause_of(str(room.get('message', '')))}"
    ready = condition_of(obj)
    if noun.word in ("network", "router") and ready.get("status") == "False":
        return f"is not Ready: {cause_of(str(ready.get('message', '')))}"
    return ""


def _on_its_way(name: str, shown: StateWord, ready: Manifest, explain: str) -> Matter:
    """A host that joins or is being stopped, which is on purpose: what it waits for, and whether somebody has
    to do something.
    """
    message = str(ready.get("message", ""))
    hint = hint_of(message)
    what = cause_of(message).removeprefix("It is joining: ") or "it has not said anything yet"
    return Matter(
        shown.glyph, shown.colour, f"{name} is {shown.word}: {what}.", explain,
        attention=shown != STOPPING and bool(hint) and not hint.startswith("nothing"),
    )  # fmt: skip


def _fact(label: str, text: str, terminal: Terminal) -> str:
    return f"{label:<{_LABEL_WIDTH}}{terminal.plain(text)}"


def _tally(objects: Sequence[Manifest], world: World) -> str:
    words = Counter((state(obj, world).glyph, state(obj, world).word) for obj in objects)
    return "  ".join(f"{glyph} {count} {word}" for (glyph, word), count in words.most_common()) or "0"


def _protected(seen: Seen) -> list[tuple[str, str]]:
    placed = [vm for vm in seen.objects["vm"] if look(vm, "status.assignment.host")]
    if not placed:
        return []
    told = (condition_of(vm, "Protected") for vm in placed)
    lacking = [protected for protected in told if protected.get("status") != "True"]
    why = ""
    if lacking and len(seen.objects["host"]) == 1:
        why = ": one host cannot take over from itself"
    elif lacking:
        why = ": " + cause_of(str(lacking[0].get("message", "")))
    return [("protected", f"{len(placed) - len(lacking)} of {len(placed)}{why}")]


def _promised(seen: Seen) -> list[tuple[str, str]]:
    hosts = seen.objects["host"]
    return [
        *_protected(seen),
        *promised.cpus(hosts, seen.policy),
        *promised.memory(hosts),
        *promised.pools(seen.objects["pool"]),
    ]
