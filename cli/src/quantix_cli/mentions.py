"""Which other objects a spec names, by noun. Pure; `fetch.refuse_missing` looks whether they are there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from quantix_cli.nouns import Manifest

SECRET = "secret"
"""Stands in the place of a noun: Secrets are Kubernetes' own, and `qx` has no verbs for them."""

# paths in the specs of all kinds; a list on the way stands for each of its members
_PLACES = (
    ("image", "disks.image"),
    ("image", "cdroms.image"),
    ("image", "source.image"),
    ("volume", "disks.volume"),
    ("volume", "source.volume"),
    ("snapshot", "source.snapshot.name"),
    ("snapshot", "disks.snapshot"),
    ("snapshot", "snapshot"),
    ("pool", "pool"),
    ("pool", "disks.pool"),
    ("instancetype", "instanceType"),
    ("network", "nics.network"),
    ("network", "networks.name"),
    ("network", "external.network"),
    ("network", "network"),
    ("vm", "virtualMachine"),
    ("securitygroup", "nics.securityGroups"),
    ("securitygroup", "ingress.from.group"),
    ("securitygroup", "egress.to.group"),
    (SECRET, "encryption.secretRef.name"),
    (SECRET, "cloudInit.userDataSecretRef.name"),
)
# the operator makes it for the first NIC that is in it
_MADE_WHEN_NAMED = ("securitygroup", "default")


class Mention(NamedTuple):
    """A name as a spec has it, `NAME` or `shared/NAME`, where a `noun` (or SECRET) is meant."""

    noun: str
    name: str


def mentions(spec: Manifest) -> list[Mention]:
    """What `spec` names, each once, in the order of `_PLACES`."""
    found = [Mention(noun, name) for noun, path in _PLACES for name in _at(spec, path.split("."))]
    return [mention for mention in dict.fromkeys(found) if mention != _MADE_WHEN_NAMED]


def new_mentions(spec: Manifest, before: Manifest, own: Mention | None = None) -> list[Mention]:
    """What `spec`, or a patch of it, names that `before` does not. `own` is the object itself, which only a
    security group may name in its rules.
    """
    known = set(mentions(before)) | ({own} if own and own.noun == "securitygroup" else set())
    return [mention for mention in mentions(spec) if mention not in known]


def _at(value: object, path: list[str]) -> Iterator[str]:
    if isinstance(value, list):
        for member in value:
            yield from _at(member, path)
    elif isinstance(value, dict) and path:
        yield from _at(value.get(path[0]), path[1:])
    elif isinstance(value, str) and value and not path:
        yield value
