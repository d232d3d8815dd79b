"""`qx NOUN explain` and `qx explain NOUN/NAME`: why an object is as it is, and what to do.

Reads only conditions and status: one verdict line with the reason in brackets, facts under short labels,
`Try` with commands that can be pasted, and what happens by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from quantix_api.conditions import condition_of
from quantix_api.host_labels import host_labels
from quantix_api.message_text import cause_of, hint_of, within
from quantix_api.quantities import human_size, size_bytes
from quantix_cli import fetch
from quantix_cli.beginnings import began
from quantix_cli.exits import CommandError, Exit
from quantix_cli.floating import floating_facts
from quantix_cli.grammar import unknown
from quantix_cli.growing import growth_facts, growth_hint
from quantix_cli.helping import Verb
from quantix_cli.host_pressure import pressure_facts
from quantix_cli.image_users import with_users
from quantix_cli.measures import age_s, how_long
from quantix_cli.naming import noun_of
from quantix_cli.network_facts import network_facts
from quantix_cli.nouns import CHANGES_TO, NOUNS, Manifest, Noun, World, look, state
from quantix_cli.options import Invocation, common_options
from quantix_cli.rules import told_rule
from quantix_cli.selection import Selection, expand
from quantix_cli.session import Session
from quantix_cli.taken_over import with_taken_over
from quantix_cli.vm.emptied_host import emptied_facts, with_emptied_host
from quantix_cli.vm.moves import moving_facts, refused_move_facts, with_moves
from quantix_cli.vm.vm_facts import vm_facts
from quantix_cli.work_facts import work_facts

_LABEL_WIDTH = 13
_LABELS = {
    "Scheduled": "placement",
    "VolumesReady": "volumes",
    "NetworkReady": "network",
    "NamespaceKept": "namespace",
}
_FACTS = (
    "Scheduled",
    "VolumesReady",
    "NetworkReady",
    "PlacementOK",
    "AgentConnected",
    "GuestHealthy",
    "NamespaceKept",
)

# the API's default transition time of conditions that nobody wrote yet is 1970
_NEVER_S = 20_000 * 86_400.0

# reasons that say only that nothing was asked for
_NO_NEWS = ("NotInstalled", "NotWanted")


def explain_command(word: str) -> click.Command:
    """The command `qx WORD explain NAME...`."""

    @click.command(
        "explain",
        cls=Verb,
        short_help=f"why {NOUNS[word].one} is as it is, and what to do",
        help=f"Say why {NOUNS[word].one} is as it is, what to do, and what happens by itself.",
        examples=(f"qx {word} explain NAME",),
    )
    @click.argument("names", nargs=-1, metavar="NAME...")
    @common_options
    def command(invocation: Invocation, names: tuple[str, ...]) -> None:
        if not names:
            raise CommandError(Exit.USAGE, f"Which {NOUNS[word].singular}?", f"qx {word} list")
        _explain(invocation, NOUNS[word], names)

    return command


@click.command(
    "explain",
    cls=Verb,
    short_help="why an object is as it is: qx explain vm/web-1",
    examples=("qx explain vm/web-1", "qx explain host box"),
)
@click.argument("target", metavar="NOUN/NAME", nargs=-1)
@common_options
def explain_any_command(invocation: Invocation, target: tuple[str, ...]) -> None:
    """Explain one object, for example vm/web-1. (`kubectl explain` explains fields.)"""
    word, _, name = "/".join(target).partition("/")
    noun = noun_of(word.lower())
    if not name or len(target) > 2:
        raise CommandError(
            Exit.USAGE, f"{' '.join(target) or 'Nothing'} is not NOUN/NAME.", "qx explain vm/web-1"
        )
    if noun is None:
        raise CommandError(Exit.USAGE, unknown("noun", word, NOUNS, ""))
    _explain(invocation, NOUNS[noun], (name,))


def _explain(invocation: Invocation, noun: Noun, names: Sequence[str]) -> None:
    async def read(session: Session) -> tuple[tuple[Manifest, ...], World]:
        picked, seen = await fetch.selected(session, noun, Selection(names=expand(names)))
        if noun.word == "image":
            return tuple([await with_users(session, image) for image in picked.objects]), seen
        if noun.word == "vm":
            told = [await with_taken_over(session, vm) for vm in picked.objects]
            told = [await with_moves(session, vm) for vm in told]
            emptied = tuple([await with_emptied_host(session, vm) for vm in told])
            return emptied, await fetch.with_floating(session, noun, seen)
        return picked.objects, seen

    objects, seen = invocation.run(read)
    for obj in objects:
        for line in explanation(obj, noun, seen):
            told = invocation.terminal.here.told(line, obj["metadata"].get("namespace"))
            invocation.terminal.out(invocation.terminal.plain(told))


def explanation(obj: Manifest, noun: Noun, seen: World) -> list[str]:
    """The lines of `explain`. Pure."""
    lines = [verdict(obj, noun, seen)]
    known = (*facts(obj, noun), *floating_facts(obj, seen.floating))
    lines += [f"  {label:<{_LABEL_WIDTH - 1}} {text}" for label, text in known]
    hints = [hint for hint in (_ready_hint(obj), *_more_hints(obj, noun)) if hint]
    lines += [f"  {'Try':<{_LABEL_WIDTH - 1}} {hint}" for hint in dict.fromkeys(hints)]
    ready = condition_of(obj)
    told = any(hint.startswith("nothing;") or "by itself" in hint for hint in hints)
    if not told and ready.get("status") != "True" and condition_of(obj, "Stalled").get("status") != "True":
        lines.append(
            "  It goes on by itself once that is done; nothing to retry."
            if hints
            else "  It goes on by itself; nothing to retry."
        )
    return lines


def verdict(obj: Manifest, noun: Noun, seen: World) -> str:
    """`web-1 is Waiting for 20 s: no host has 64 GiB free (NotEnoughMemory).`"""
    ready, word = condition_of(obj), state(obj, seen).word
    since = age_s(began(obj, word, _FACTS), seen.now)
    span = f" for {how_long(since)}" if since is not None and since < _NEVER_S else ""
    name, host = obj["metadata"]["name"], look(obj, "status.assignment.host")
    place = f" on host {host}" if host else ""
    if word == "Unknown" and host in seen.lease_ages_s:
        return f"{name} is Unknown: host {host} was last heard {how_long(seen.lease_ages_s[host])} ago."
    if ready.get("status") == "True":
        return f"{name} is {word}{place}{span}." + _protection(obj, noun)
    said = cause_of(str(ready.get("message", ""))) or "quantix-operator has not looked at it yet"
    return f"{name} is {word}{place}{span}: {within(said)} ({ready.get('reason', 'Pending')})."


def _protection(obj: Manifest, noun: Noun) -> str:
    protected = condition_of(obj, "Protected")
    if noun.word != "vm" or not protected:
        return ""
    if protected.get("status") == "True":
        return " Protected."
    said = cause_of(str(protected.get("message", "")))
    return f" Not protected: {within(said)} ({protected.get('reason')})."


def facts(obj: Manifest, noun: Noun) -> list[tuple[str, str]]:
    """Short labels and what there is to know under them."""
    found: list[tuple[str, str]] = []
    ready = condition_of(obj)
    for kind in _FACTS:
        fact = condition_of(obj, kind)
        told = fact.get("reason") in (ready.get("reason"), *_NO_NEWS)
        if fact.get("status") in ("False", "Unknown") and not told:
            said = cause_of(str(fact.get("message", "")))
            found.append(
                (_label(kind), f"{said} ({fact.get('reason')})" if said else str(fact.get("reason")))
            )
    for change in look(obj, "status.runtime.pendingChanges", []):
        path = str(change.get("path", "")).removeprefix("spec.")
        running, wanted = (change.get(side, "none") for side in ("running", "wanted"))
        why = f": {change['why']}" if change.get("why") else ""
        found.append(("pending", f"{path} {running}{CHANGES_TO}{wanted} at the next restart{why}"))
    if noun.word in ("vm", "volume"):
        found += moving_facts(obj)
    if noun.word == "volume":
        found += [*refused_move_facts(obj), *growth_facts(obj)]
        if look(obj, "status.host") and not look(obj, "status.attachedTo"):
            found.append(("kept by", f"host {look(obj, 'status.host')}"))
    if noun.word == "vm":
        found += [*emptied_facts(obj), *vm_facts(obj)]
    if noun.word == "host":
        found += [("labels", _labels(obj)), *_huge_pages(obj), *pressure_facts(obj)]
        found += [
            (_label(c["type"]), f"{cause_of(str(c.get('message', '')))} ({c.get('reason')})")
            for c in look(obj, "status.conditions", [])
            if c.get("status") == "False" and c.get("type") not in ("Ready", *_FACTS)
        ]
    if noun.word == "securitygroup":
        found += [("in", told_rule(rule, "from")) for rule in look(obj, "spec.ingress", [])]
        found += [("out", told_rule(rule, "to")) for rule in look(obj, "spec.egress", [])]
    found += [*network_facts(obj), *work_facts(obj)]
    if noun.word == "image" and look(obj, "status.usedBy"):
        found.append(("used by", ", ".join(look(obj, "status.usedBy"))))
    return found


def _labels(host: Manifest) -> str:
    """Those by which VMs and pools choose their hosts."""
    name, own = look(host, "metadata.name"), look(host, "metadata.labels", {})
    labels = host_labels(name, own, look(host, "status.arch"), look(host, "status.cpuVendor"))
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _huge_pages(host: Manifest) -> list[tuple[str, str]]:
    """What is in huge pages is no ordinary memory: VMs without them cannot have it."""
    pages = [(size_bytes(item["size"]), int(item["total"])) for item in look(host, "status.hugepages", [])]
    if not pages:
        return []
    told = ", ".join(f"{count} of {human_size(size)}" for size, count in pages)
    return [("huge pages", f"{told}: {human_size(sum(size * count for size, count in pages))} of its memory")]


def _label(kind: str) -> str:
    return _LABELS.get(kind, kind)


def _hint(of: Manifest) -> str:
    return hint_of(str(of.get("message", ""))) if of.get("status") != "True" else ""


def _ready_hint(obj: Manifest) -> str:
    hint = _hint(condition_of(obj))
    if look(obj, "status.unfitHosts") and hint.startswith("qx vm explain "):
        # this very list is no way out
        return "add a host, make room on one, or ask for less"
    return hint


def _more_hints(obj: Manifest, noun: Noun) -> list[str]:
    # a single host cannot be helped by a hint at each of its VMs
    protected = condition_of(obj, "Protected")
    is_news = look(obj, "status.assignment.host") and protected.get("reason") != "NoOtherHost"
    hints = [_hint(condition_of(obj, "NamespaceKept"))]
    hints += [_hint(protected)] if is_news else []
    if look(obj, "status.runtime.pendingChanges"):
        hints.append(f"qx {noun.word} restart {obj['metadata']['name']}")
    hints += [growth_hint(obj)] if noun.word == "volume" else []
    if noun.word == "host":
        hints += [_hint(fact) for fact in look(obj, "status.conditions", []) if fact.get("status") == "False"]
    return hints
