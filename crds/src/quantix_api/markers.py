"""What a field or a structure of the API says beyond its Python type: meaning, bounds, rules.

Written into `Annotated[...]` by the models, read by the schema generator only. The models themselves check
types and enums: what the API server has accepted is read as it is, also when a later schema is stricter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Doc:
    """What a field means, in one or two plain sentences with the unit. Every field has exactly one."""

    text: str

    @property
    def effect(self) -> str:
        """When a change counts; "" where that says nothing (status)."""
        return ""


class Live(Doc):
    """A field whose change is applied at once."""

    @property
    def effect(self) -> str:
        return "A change counts at once."


class AtRestart(Doc):
    """A field whose change waits, in `status.runtime.pendingChanges`, for the next start of QEMU."""

    @property
    def effect(self) -> str:
        return "A change counts at the next start."


class Partly(Doc):
    """A field some of whose changes are applied at once; its text says which."""


class Fixed(Doc):
    """A field that cannot change; a rule of its structure refuses it."""

    @property
    def effect(self) -> str:
        return "Cannot be changed."


@dataclass(frozen=True)
class NotBuilt:
    """A field of the API that nothing acts on yet, beside its `Doc`; what is below it is not built either.

    `what` says how it is instead where only a part of the field is not built. Whoever builds it takes the
    marker away.
    """

    what: str = "nothing acts on it"
    part: str = ""
    """The part that is not built, where the field itself is."""

    @property
    def sentence(self) -> str:
        """What is added to the field's description."""
        return f"{self.part} is not built yet: {self.what}." if self.part else f"Not built yet: {self.what}."

    @property
    def whole(self) -> bool:
        """Whether all of the field is meant, and so what is below it."""
        return self.what == type(self).what


@dataclass(frozen=True)
class Refused(NotBuilt):
    """A field that must not be ignored: an object that sets it is refused, or waits and names the field."""

    what: str = "whoever sets it is refused, or waits and is told so"


@dataclass(frozen=True)
class Rule:
    """A CEL rule (x-kubernetes-validations) and the sentence that a user reads when it is broken."""

    cel: str
    message: str
    field_path: str = ""


@dataclass(frozen=True)
class Text:
    """Bounds of a string."""

    max_length: int
    min_length: int = 0
    pattern: str = ""


@dataclass(frozen=True)
class Range:
    """Bounds of an integer, both included."""

    minimum: int = 0
    maximum: int | None = None


@dataclass(frozen=True)
class Items:
    """How a list merges (`map`, `set` or `atomic`), the keys of a map, and how many it may hold."""

    list_type: str
    max_items: int
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entries:
    """How many entries a map of strings may hold."""

    max_properties: int = 16


@dataclass(frozen=True)
class FreeForm:
    """A structure of status that is kept as it was said, whatever is in it (preserveUnknownFields)."""


@dataclass(frozen=True)
class SchemaDefault:
    """The default of a structure, every member spelled out: the server checks it before it fills it in."""

    value: dict[str, Any] = field(hash=False)


def keyed(*keys: str, at_most: int = 16) -> Items:
    """A list of structures, each found by these required members."""
    return Items("map", at_most, keys)


def distinct(at_most: int = 16) -> Items:
    """A list of different scalars without an order."""
    return Items("set", at_most)


def ordered(at_most: int = 16) -> Items:
    """A list whose order counts; it is replaced as a whole."""
    return Items("atomic", at_most)


def unchanged(*names: str, message: str) -> Rule:
    """A rule that these members of the structure neither change nor come nor go.

    Rules on a member itself are not run when it is added or removed, so presence is compared here.
    """
    parts = [
        f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})"
        for name in names
    ]
    return Rule(" && ".join(parts), message)


def exactly_one(*names: str) -> Rule:
    """A rule that one of these members is set, and no second."""
    members = ", ".join(f"has(self.{name})" for name in names)
    return Rule(f"[{members}].exists_one(x, x)", f"set exactly one of {listed(names)}")


def at_most_one(*names: str, message: str = "") -> Rule:
    """A rule that no two of these members are set."""
    members = ", ".join(f"has(self.{name})" for name in names)
    return Rule(f"[{members}].filter(x, x).size() <= 1", message or f"set at most one of {listed(names)}")


def listed(names: tuple[str, ...]) -> str:
    """Names as prose: `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
