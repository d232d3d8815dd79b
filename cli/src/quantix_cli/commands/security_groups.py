"""`qx securitygroup create|set`: rules in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from quantix_cli.commands import making
from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.nouns import Manifest, look
from quantix_cli.options import Invocation, with_options, write_options
from quantix_cli.rules import added, parse_rule, removed
from quantix_cli.selection import Selection, expand

_RULE = "PROTOCOL[:PORTS]"
_IN_AND_OUT = (
    click.option(
        "--allow", multiple=True, metavar=_RULE, help="What may come in, such as tcp:80,443 or icmp."
    ),
    click.option(
        "--from", "sources", multiple=True, metavar="CIDR|GROUP", help="Who may send it; default: anyone."
    ),
    click.option(
        "--allow-out", multiple=True, metavar=_RULE, help="What may go out; without any, everything may."
    ),
    click.option(
        "--to", "targets", multiple=True, metavar="CIDR|GROUP", help="Who may be reached; default: anyone."
    ),
)


@dataclass(frozen=True)
class Rules:
    """The rules of one command. `sources` and `targets` are those of each."""

    allow: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    allow_out: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    remove_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for words, peers, option in (
            ((*self.allow, *self.remove), self.sources, "--from"),
            ((*self.allow_out, *self.remove_out), self.targets, "--to"),
        ):
            if peers and not words:
                said = f"{option} says for whom a rule is, and there is no rule."
                raise CommandError(Exit.USAGE, said, f"--allow tcp:80 {option} {peers[0]}")

    def incoming(self, words: tuple[str, ...]) -> list[Manifest]:
        """These words as rules for what comes in."""
        return [parse_rule(word, self.sources, "from") for word in words]

    def outgoing(self, words: tuple[str, ...]) -> list[Manifest]:
        """These words as rules for what goes out."""
        return [parse_rule(word, self.targets, "to") for word in words]


def create_command(_: str) -> click.Command:
    """The command `qx securitygroup create NAME`."""

    @click.command(
        "create",
        cls=Verb,
        short_help="make a security group with rules in words",
        examples=(
            "qx securitygroup create web --allow tcp:80,443",
            "qx securitygroup create db --allow tcp:5432 --from web --from 10.0.0.0/8",
        ),
    )
    @click.argument("name")
    @making.LABEL
    @making.NO_WAIT
    @write_options
    def command(
        invocation: Invocation, name: str, labels: tuple[str, ...], no_wait: bool, **given: Any
    ) -> None:
        """Make a security group: what may reach the NICs that name it. All else is dropped."""
        rules = Rules(**given)
        spec = making.present(ingress=rules.incoming(rules.allow), egress=rules.outgoing(rules.allow_out))
        making.make(invocation, "securitygroup", name, spec, labels=labels, wait=not no_wait)

    return with_options(command, _IN_AND_OUT)


def set_command(_: str) -> click.Command:
    """The command `qx securitygroup set NAME`."""

    @click.command(
        "set",
        cls=Verb,
        short_help="add and remove rules of a security group",
        examples=(
            "qx securitygroup set web --allow tcp:8080 --from 10.0.0.0/8",
            "qx securitygroup set web --remove tcp:8080 --from 10.0.0.0/8",
        ),
    )
    @click.argument("names", nargs=-1, metavar="NAME...")
    @click.option(
        "--remove", multiple=True, metavar=_RULE, help="A rule that goes; with the --from that it has."
    )
    @click.option(
        "--remove-out", multiple=True, metavar=_RULE, help="The same, of what may go out, with --to."
    )
    @making.LABEL_CHANGE
    @write_options
    def command(invocation: Invocation, names: tuple[str, ...], labels: tuple[str, ...], **given: Any) -> int:
        """Add and remove rules. qx securitygroup explain shows them in the same words."""
        making.refuse_nothing(labels=labels, **given)
        rules = Rules(**given)
        selection = Selection(names=expand(names))
        return making.change(
            invocation, "securitygroup", selection, lambda live: patch_of(live, rules), labels
        )

    return with_options(command, _IN_AND_OUT)


def patch_of(group: Manifest, rules: Rules) -> Manifest:
    """The patch that adds and removes these rules; empty where all is so. Raises CommandError (2, 5)."""
    ingress, egress = look(group, "spec.ingress", []), look(group, "spec.egress")
    new_ingress = removed(ingress, rules.incoming(rules.remove), "from")
    new_ingress = added(new_ingress, rules.incoming(rules.allow), "from")
    new_egress = removed(egress or [], rules.outgoing(rules.remove_out), "to")
    new_egress = added(new_egress, rules.outgoing(rules.allow_out), "to")
    spec: dict[str, Any] = {"ingress": new_ingress} if new_ingress != ingress else {}
    if new_egress != (egress or []):
        # no rule at all for what goes out means: everything may
        spec["egress"] = new_egress or None
    return {"spec": spec} if spec else {}
