"""The grammar `qx NOUN VERB`: which words exist, what they are also called, and where each is written.

Read by `main`. A command's module is imported only when it runs, so that `--help` and completion are quick.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import click

from quantix_cli.other_words import FOREIGN, HARMFUL, verb_elsewhere


def _verbs(module: str, *verbs: str) -> dict[str, str]:
    return {verb: f"quantix_cli.commands.{module}:{verb.replace('-', '_')}_command" for verb in verbs}


_READ = _verbs("listing", "list") | _verbs("showing", "show") | _verbs("explaining", "explain")
_DELETE = _verbs("deleting", "delete")
_VM = (
    _verbs("creating_vm", "create")
    | _verbs("cloning_vm", "clone")
    | _verbs("changing_vm", "set")
    | _verbs("plugging", "attach", "detach")
    | _verbs("power", "start", "stop", "restart", "reset", "pause", "resume")
    | _verbs("console", "console")
    | _verbs("ssh", "ssh")
    | _verbs("screen", "screenshot", "view")
    | _verbs("migrating", "migrate")
    | _verbs("snapshots", "snapshot")
)
_IMAGE = _verbs("images", "create", "upload", "set")
_VOLUME = _verbs("volumes", "create", "set") | _verbs("changing_volume", "resize", "move")
_VOLUME |= _verbs("uploading_volume", "upload")
_NETWORK = _verbs("networks", "create", "set")
_ROUTER = _verbs("routers", "create", "set")
_FLOATING_IP = _verbs("floating_ips", "create", "attach", "detach", "set")
_POOL = _verbs("pools", "create", "set")
_GROUP = _verbs("security_groups", "create", "set")
_HOST = _verbs("adding_host", "add") | _verbs("draining", "drain", "resume") | _verbs("orphans", "end-orphan")
_MIGRATION = _verbs("migrating", "cancel")
_SNAPSHOT = _verbs("snapshots", "restore", "set")
_VMSNAP = ("vmsnap", "virtualmachinesnapshot", "virtualmachinesnapshots")
_VMM = ("virtualmachinemigration", "virtualmachinemigrations")
# noun: (other words for it, {verb: place})
NOUNS: Mapping[str, tuple[tuple[str, ...], Mapping[str, str]]] = {
    "vm": (("vms", "virtualmachine", "virtualmachines"), _READ | _VM | _DELETE),
    "image": (("img", "images"), _READ | _IMAGE | _DELETE),
    "volume": (("vol", "volumes"), _READ | _VOLUME | _DELETE),
    "network": (("net", "networks"), _READ | _NETWORK | _DELETE),
    "router": (("rtr", "routers"), _READ | _ROUTER | _DELETE),
    "floatingip": (("fip", "floatingips"), _READ | _FLOATING_IP | _DELETE),
    "securitygroup": (("sg", "securitygroups"), _READ | _GROUP | _DELETE),
    "host": (("hosts",), _READ | _HOST | _DELETE),
    "pool": (("pools", "storagepool", "storagepools"), _READ | _POOL | _DELETE),
    "instancetype": (("it", "instancetypes"), _READ),
    "migration": (("migrations", "vmm", *_VMM), _READ | _MIGRATION | _DELETE),
    "snapshot": (("snap", "snapshots", *_VMSNAP), _READ | _SNAPSHOT | _DELETE),
    "cluster": (("clusters",), _verbs("joining_cluster", "join")),
}  # fmt: skip
COMMANDS: Mapping[str, str] = {
    "status": "quantix_cli.commands.status:status_command",
    "explain": "quantix_cli.commands.explaining:explain_any_command",
    "plan": "quantix_cli.commands.planning:plan_command",
    "doctor": "quantix_cli.commands.doctor:doctor_command",
    "support-bundle": "quantix_cli.commands.support_bundle:support_bundle_command",
    "completion": "quantix_cli.commands.completion:completion_command",
    "up": "quantix_cli.commands.up:up_command",
    "down": "quantix_cli.commands.down:down_command",
    "version": "quantix_cli.commands.version:version_command",
}
_VERB_ALIASES = {"ls": "list", "rm": "delete"}
HELP = "help"


# what is planned and not built: nobody means another word by it
_VERBS_NOT_YET: Mapping[str, tuple[str, ...]] = {
    "vm": ("exec", "cp", "backup"),
    "volume": ("backup",),
    "host": ("confirm-dead",),
    "instancetype": ("create", "set", "delete"),
    "cluster": ("create",),
}
_NOUNS_NOT_YET = (
    *("recovery", "namespace", "ns"),
    *("drill", "backup"),
)
_UNTIL_THEN = (
    "Until then copy what matters out of the guest, or all disks of a VM that is off: "
    "qx vm clone NAME COPY --full --pool POOL"
)
_NAMESPACES = "Until then kubectl get namespaces lists them, kubectl create namespace NAME makes one."
# what does the same in part
_INSTEAD: Mapping[str, str] = {
    "backup": f"Backups into a pool, by hand and by a schedule, are planned. {_UNTIL_THEN}.",
    "namespace": _NAMESPACES,
    "ns": _NAMESPACES,
}


def _refuse_not_yet(ctx: click.Context, before: str, written: str, planned: Sequence[str]) -> None:
    """Raise UsageError for a word that is one of the `planned`; `before` is the command up to it."""
    word = FOREIGN.get(written.lower(), written.lower())
    if word in planned:
        instead = f" {_INSTEAD[word]}" if word in _INSTEAD else ""
        raise click.UsageError(f"{before} {word} is not built yet.{instead}", ctx)


def help_asked(args: Sequence[str]) -> list[str]:
    """`help vm create` as `vm create --help`: git, kubectl and others know both."""
    words = noun_first(args)
    return [*noun_first(words[1:]), "--help"] if words[:1] == [HELP] else words


def _noun_behind(verb: str, rest: Sequence[str]) -> str:
    """`Did you mean qx vm list?` of `get vm`, where the verb stands before its noun; else ""."""
    written = next(iter(noun_first(rest)), "").lower()
    noun = noun_of(written) or noun_of(FOREIGN.get(written, ""))
    if said := verb_elsewhere(noun, verb):
        return said
    word = _VERB_ALIASES.get(verb, verb)
    places = NOUNS[noun][1] if noun else {}
    found = (known for known in (word, FOREIGN.get(word, "")) if known in places)
    return next((f"Did you mean qx {noun} {known}?" for known in found), "")


def noun_of(word: str) -> str:
    """The noun that is called so, "" for none."""
    return next((noun for noun, (others, _) in NOUNS.items() if word == noun or word in others), "")


def noun_first(args: Sequence[str]) -> list[str]:
    """`args` with the options that stand before the first word, a noun or a verb, after it, where click
    looks for them. Only those that commands share: any other is refused where it is, and --help is not.
    """
    if not args or not args[0].startswith("-"):
        return list(args)
    from quantix_cli.options import common_words  # who writes no option first does not have to pay for it

    known, place = common_words(), 0
    while place < len(args) and args[place].startswith("-"):
        words = _words_of(args[place], known)
        if not words:
            break
        place += words
    before, rest = list(args[:place]), list(args[place:])
    return [rest[0], *before, *rest[1:]] if rest else []


def _words_of(option: str, known: Mapping[str, bool]) -> int:
    """How many words it takes with its value; 0 where it, or one of `-Av`, is none of the known ones."""
    if option.startswith("--"):
        name, equals, _ = option.partition("=")
        if name not in known:
            return 0
        return 2 if known[name] and not equals else 1
    for place, letter in enumerate(option[1:], 1):
        if f"-{letter}" not in known:
            return 0
        if known[f"-{letter}"]:
            return 1 if option[place + 1 :] else 2
    return 1 if option[1:] else 0


class LazyGroup(click.Group):
    """A group whose commands are named by `module:function` and loaded when asked for."""

    def __init__(self, *args: Any, places: Mapping[str, str], what: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._places = places
        self._what = what

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, help_asked(args))

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._places)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        word = _VERB_ALIASES.get(name, name)
        if word not in self._places:
            return None
        module, _, function = self._places[word].partition(":")
        made: Any = getattr(importlib.import_module(module), function)
        # one function serves all nouns: it makes the command for its noun
        return made(self.name) if not isinstance(made, click.Command) else made

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None:
            _refuse_not_yet(ctx, f"qx {self.name}", args[0], _VERBS_NOT_YET.get(str(self.name), ()))
            said = unknown(self._what, args[0], self._places, f"for {self.name}", str(self.name))
            raise click.UsageError(said, ctx)
        return super().resolve_command(ctx, args)


# of how alike two words have to be: ends of a word that are swapped are, "status" and "start" are not
_ALIKE, _HARDLY_DIFFERENT = 0.75, 0.85


def unknown(what: str, word: str, known: Mapping[str, Any], place: str, noun: str = "") -> str:
    """`No verb "strat" for vm. Did you mean start?`; `place` is "for vm", or "", and `noun` whose verbs they
    are.
    """
    no = f'No {what} "{word}"{f" {place}" if place else ""}.'
    if noun and (said := verb_elsewhere(noun, word)):
        return f"{no} {said}"
    foreign = FOREIGN.get(word.lower())
    if near := foreign if foreign in known else _nearest(word, known):
        return f"{no} Did you mean {near}?"
    there_are = f"There are: {', '.join(known)}." if known else "There is none."
    return f"{no} {there_are}"


def _nearest(word: str, known: Mapping[str, Any]) -> str:
    """The word that a slip of the finger makes this one of; else "": words that are merely alike, such as
    stop and show, mean something else, and some of them do harm.
    """
    near = next(iter(difflib.get_close_matches(word, known, n=1, cutoff=_ALIKE)), "") or _short(word, known)
    is_sure = near not in HARMFUL or difflib.SequenceMatcher(None, word, near).ratio() >= _HARDLY_DIFFERENT
    return near if is_sure else ""


def _short(word: str, known: Mapping[str, Any]) -> str:
    """The one word of two or three letters that differs from this one in a single letter; else "". No two of
    them are alike enough otherwise.
    """
    if not 2 <= len(word) <= 3 or word in _VERB_ALIASES:
        return ""
    near = [one for one in known if len(one) == len(word) and sum(map(str.__ne__, one, word)) == 1]
    return near[0] if len(near) == 1 else ""


class Root(click.Group):
    """`qx`: nouns, and the commands that need none."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, help_asked(args))

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*NOUNS, *COMMANDS]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            module, _, function = COMMANDS[name].partition(":")
            command: click.Command = getattr(importlib.import_module(module), function)
            return command
        noun = noun_of(name)
        if not noun:
            return None
        verbs = NOUNS[noun][1]
        return LazyGroup(noun, places=verbs, what="verb", short_help=", ".join(verbs))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None:
            _refuse_not_yet(ctx, "qx", args[0], _NOUNS_NOT_YET)
            if meant := _noun_behind(args[0].lower(), args[1:]):
                said = f'No noun or command "{args[0]}": the noun comes first. {meant}'
                raise click.UsageError(said, ctx)
            raise click.UsageError(
                unknown("noun or command", args[0], dict.fromkeys([*NOUNS, *COMMANDS]), ""), ctx
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Nouns (qx NOUN VERB)"):
            formatter.write_dl([(noun, ", ".join(verbs)) for noun, (_, verbs) in NOUNS.items()])
        with formatter.section("Commands"):
            formatter.write_dl([(name, _SUMMARIES[name]) for name in COMMANDS])
        from quantix_cli.options import option_records  # a command does not have to pay for it twice

        for title, records in option_records().items():
            with formatter.section(title):
                formatter.write_dl(records)


_SUMMARIES = {
    "status": "how the whole is doing, and what needs attention",
    "explain": "why an object is as it is: qx explain vm/web-1",
    "plan": "what would happen: qx plan host-loss h1, maintenance h1 or balance",
    "doctor": "whether this machine and the installation on it are well; needs no API",
    "support-bundle": "logs, objects and versions in one file, without secrets",
    "completion": "what bash, zsh or fish needs so that Tab completes qx",
    "up": "set this machine up, start Quantix and the first VM",
    "down": "shut the guests down cleanly and stop Quantix; data stays",
    "version": "versions of qx and of the API server",
}
