"""How objects are named on the command line: NAME, NOUN/NAME, kubectl's kind.group/NAME, and shared/NAME.

`shared/NAME` is the object of `quantix-shared`, as in specs, for the kinds that lie there for all. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quantix_api.quantities import counted
from quantix_api.references import SHARED, shared_reference
from quantix_api.resources import NAMESPACE_SHARED
from quantix_cli.exits import CommandError, Exit
from quantix_cli.grammar import NOUNS as WORDS
from quantix_cli.nouns import NOUNS

SHARED_NOUNS = ("image", "network", "router")
"""What all use from `quantix-shared`: images and networks by name, routers through their networks."""


# RFC 1123, as the API server takes names of objects
_NEW = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True)
class Name:
    """A name or glob; `namespace` is None for the namespace that the command works in."""

    name: str
    namespace: str | None = None

    @property
    def is_glob(self) -> bool:
        return any(character in self.name for character in "*?[")

    def __str__(self) -> str:
        return shared_reference(self.name) if self.namespace == NAMESPACE_SHARED else self.name


def parse_name(written: str, noun: str) -> Name:
    """What `written` means where a `noun` is expected. Raises CommandError (2)."""
    prefix, slash, name = written.rpartition("/")
    if not slash:
        return Name(written)
    kind, inner, scope = prefix.partition("/")
    if inner and scope == SHARED and noun_of(kind) == noun:
        prefix = SHARED
    if prefix == SHARED:
        if noun not in SHARED_NOUNS:
            raise CommandError(
                Exit.USAGE,
                f"{written} is no name of {NOUNS[noun].one}: it cannot be shared.",
                f"{name}; only images, networks and routers are known as {SHARED}/NAME",
            )
        return Name(name, NAMESPACE_SHARED)
    meant = noun_of(prefix)
    if meant == noun:
        return Name(name)
    if meant is None:
        raise CommandError(Exit.USAGE, f"{written} is no name of {NOUNS[noun].one}.", f"qx {noun} list")
    raise CommandError(Exit.USAGE, f"{written} is not {NOUNS[noun].one}.", f"qx explain {written}")


def new_name(written: str, noun: str) -> Name:
    """The name of an object that is to be made. Raises CommandError (2) for what the API takes for none."""
    name = parse_name(written, noun)
    if not _NEW.fullmatch(name.name):
        said = f"{written} is no name for {NOUNS[noun].one}: those have lowercase letters, digits and -."
        near = re.sub(r"[^a-z0-9.]+", "-", name.name.lower()).strip("-.")
        raise CommandError(Exit.USAGE, said, near)
    return name


def noun_of(word: str) -> str | None:
    """The noun that `word` stands for: itself, another word for it, or kubectl's `plural.group`."""
    plain = word.partition(".")[0].lower()
    return next((noun for noun, (others, _) in WORDS.items() if plain == noun or plain in others), None)


def reference(obj: Mapping[str, Any], noun: str, home: str | None) -> str:
    """How `obj` is named in a command typed where `home` is the namespace: `shared/tiny`, `db-1 -n shop`."""
    name, namespace = str(obj["metadata"]["name"]), obj["metadata"].get("namespace")
    if namespace in (None, home):
        return name
    if namespace == NAMESPACE_SHARED and noun in SHARED_NOUNS:
        return shared_reference(name)
    return f"{name} -n {namespace}"


def shown(obj: Mapping[str, Any], home: str | None) -> str:
    """How `obj` is named to whom is asked about it where `home` is the namespace, None for all of them:
    `web-1`, `shop/web-1` of another one.
    """
    name, namespace = str(obj["metadata"]["name"]), obj["metadata"].get("namespace")
    if namespace == NAMESPACE_SHARED != home:
        return shared_reference(name)
    return name if namespace in (None, home) else f"{namespace}/{name}"


def these(objects: Sequence[Mapping[str, Any]], singular: str, home: str | None) -> str:
    """What a question is about: `VM web-1`, or `3 VMs`; `home` as for `shown`."""
    return f"{singular} {shown(objects[0], home)}" if len(objects) == 1 else counted(len(objects), singular)
