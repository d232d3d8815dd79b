"""`qx status`: one verdict, then facts, then numbered matters, each with the command that goes on."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import click

from quantix_api.quantities import size_bytes
from quantix_api.state import JOINING
from quantix_cli import fetch
from quantix_cli.exits import Exit
from quantix_cli.helping import Verb
from quantix_cli.measures import how_long, local_time, size
from quantix_cli.naming import reference
from quantix_cli.nouns import NOUNS, Manifest, Noun, World, condition, first_sentence, hint_of, look, state
from quantix_cli.options import Invocation, common_options
from quantix_cli.session import Session
from quantix_cli.terminal import Terminal

_LABEL_WIDTH = 15
# kinds that others need: those wait or lose their network while one of these goes
_NEEDED = ("network", "router", "image")
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
        words = ("host", "vm", "pool", "image", "volume", "network", "router")
        found = await asyncio.gather(*(fetch.visible_of(session, NOUNS[word]) for word in words))
        listed = dict(zip(words, found, strict=True))
        hidden = tuple(word for word in words if listed[word] is None)
        return Seen(seen, answer_ms, {w: o or [] for w, o in listed.items()}, session.namespace, hidden)

    seen = invocation.run(look_around)
    matters = all_matters(seen)
    for line in report(seen, matters, invocation.terminal):
        invocation.terminal.out(line)
    return Exit.NO if any(matter.attention for matter in matters) else Exit.DONE


def report(seen: Seen, matters: Sequence[Matter], terminal: Terminal) -> list[str]:
    """The lines of `qx status`. Pure."""
    verdict = _verdict(seen, matters)
    hosts = seen.objects["host"]
    counted = f"{len(hosts)} host{'s' if len(hosts) != 1 else ''}"
    where = f"{f'namespace {seen.home}' if 'host' in seen.hidden else counted} · {version('quantix')}"
    lines = [
        terminal.paint(verdict, "bold") + "   " + terminal.plain(f"{where} · {local_time(seen.world.now)}")
    ]
    lines += [_fact("control plane", f"✓ answers in {seen.answer_ms} ms", terminal)]
    if "host" not in seen.hidden:
        lines += [_fact("hosts", _tally(hosts, seen.world), terminal)]
    lines += [_fact("VMs", _tally(seen.objects["vm"], seen.world), terminal)]
    lines += [
        _fact(label, text, terminal) for label, text in (*_protected(seen), *_memory(hosts), *_pools(seen))
    ]
    if seen.hidden:
        kinds = " and ".join(f"{NOUNS[word].singular}s" for word in seen.hidden)
        lines += [_fact("not shown", f"{kinds}, which your account may not list", terminal)]
    for number, matter in enumerate(matters, 1):
        mark = terminal.paint(terminal.plain(matter.glyph), matter.colour)
        lines.append(f"{number} {mark} {terminal.plain(matter.text)}   {matter.command}")
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
    return "Healthy" + (f", {rest} thing{'s' if rest != 1 else ''} to know" if rest else "")


def all_matters(seen: Seen) -> list[Matter]:
    """What is not as it should be, gravest first."""
    matters: list[Matter] = []
    if not seen.objects["host"] and "host" not in seen.hidden:
        text = "There is no host yet, so no VM can run."
        matters.append(Matter("▲", "yellow", text, "make up", attention=True))
    for word, objects in seen.objects.items():
        for obj in objects:
            matters += _matters(obj, NOUNS[word], seen)
    return sorted(matters, key=lambda m: (not m.attention, _GRAVE.get(m.colour, 2)))


def _matters(obj: Manifest, noun: Noun, seen: Seen) -> list[Matter]:
    name, shown, ready = obj["metadata"]["name"], state(obj, seen.world), condition(obj)
    explain = f"qx {noun.word} explain {reference(obj, noun.word, seen.home)}"
    if noun.word == "host" and shown == JOINING:
        return [_joining(name, ready, explain)]
    if shown.colour in ("red", "yellow") and ready.get("status") != "True":
        said = first_sentence(str(ready.get("message", ""))) or shown.word
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


def _host_matters(host: Manifest, explain: str) -> list[Matter]:
    """What is to be known of a host that is Ready."""
    matters = []
    known = (("GuestsKnown", True), ("VolumesKnown", True))
    for type, attention in (("KVMAvailable", False), ("GuestTraffic", True), *known):
        if condition(host, type).get("status") == "False":
            said = first_sentence(str(condition(host, type).get("message", "")))
            text = f"host {host['metadata']['name']}: {said}." if (type, attention) in known else f"{said}."
            matters.append(Matter("▲", "yellow", text, explain, attention=attention))
    return matters


def _lacking(obj: Manifest, noun: Noun, word: str) -> str:
    """What others miss though the object's own state is no alarm; "" for nothing."""
    if noun.word in _NEEDED and look(obj, "metadata.deletionTimestamp"):
        said = first_sentence(str(condition(obj).get("message", "")))
        return f"is being deleted: {said}" if said else "is being deleted"
    wired = condition(obj, "NetworkReady")
    if noun.word == "vm" and word == "Running" and wired.get("status") == "False":
        return f"is Running without its network: {first_sentence(str(wired.get('message', '')))}"
    ready = condition(obj)
    if noun.word in ("network", "router") and ready.get("status") == "False":
        return f"is not Ready: {first_sentence(str(ready.get('message', '')))}"
    return ""


def _joining(name: str, ready: Manifest, explain: str) -> Matter:
    """A host that is not there yet: what it waits for, and whether somebody has to do something."""
    message = str(ready.get("message", ""))
    hint = hint_of(message)
    what = first_sentence(message).removeprefix("It is joining: ") or "it has not said anything yet"
    return Matter(
        JOINING.glyph, JOINING.colour, f"{name} is Joining: {what}.", explain,
        attention=bool(hint) and not hint.startswith("nothing"),
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
    lacking = [
        condition(vm, "Protected") for vm in placed if condition(vm, "Protected").get("status") != "True"
    ]
    why = ""
    if lacking and len(seen.objects["host"]) == 1:
        why = ": one host cannot take over from itself"
    elif lacking:
        why = ": " + first_sentence(str(lacking[0].get("message", "")))
    return [("protected", f"{len(placed) - len(lacking)} of {len(placed)}{why}")]


def _memory(hosts: Sequence[Manifest]) -> list[tuple[str, str]]:
    total = sum(size_bytes(look(h, "status.memory")) for h in hosts if look(h, "status.memory"))
    used = sum(
        size_bytes(look(h, "status.allocated.memory")) for h in hosts if look(h, "status.allocated.memory")
    )
    return [("memory", f"{size(used)} of {size(total)} promised, {100 * used // total} %")] if total else []


def _pools(seen: Seen) -> list[tuple[str, str]]:
    found = []
    for pool in seen.objects["pool"]:
        capacity, free = look(pool, "status.capacity"), look(pool, "status.available")
        if capacity and free:
            used = size_bytes(capacity) - size_bytes(free)
            name = pool["metadata"]["name"]
            found.append((f"pool {name}", f"{size(used)} of {size(size_bytes(capacity))} used"))
    return found
