"""The fields of a structure as the reference shows them: type, default, when a change counts, meaning.

Used by `kind_page`. It reads the same markers as the schema generator, which refuses what is not understood.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

from quantix_api import scalars
from quantix_api.markers import (
    AtRestart,
    Doc,
    Entries,
    Fixed,
    FreeForm,
    Items,
    Live,
    NotBuilt,
    Partly,
    Range,
    Rule,
    Text,
)
from quantix_api.model import ApiModel
from quantix_api.schema_property import Context, default_of
from quantix_api.schema_type import FieldType, field_type

VALUES: dict[str, Any] = {
    "name": scalars.Name,
    "device name": scalars.DeviceName,
    "shared name": scalars.SharedName,
    "interface name": scalars.InterfaceName,
    "size": scalars.Size,
    "size or 0": scalars.Capacity,
    "CPU amount": scalars.CPUAmount,
    "MAC address": scalars.MAC,
    "IP address": scalars.IP,
    "CIDR": scalars.CIDR,
}
"""Words for the values that have a rule of their own."""

_STRUCTURE = "structure"
_WHEN: dict[type[Doc], str] = {
    Live: "at once",
    AtRestart: "next start",
    Partly: "partly at once",
    Fixed: "never",
    Doc: "",
}


@dataclass(frozen=True)
class Field:
    """One row. `changes` is "" in status and where the members say it; `below` is the structure in it."""

    name: str
    kind: str
    default: str
    changes: str
    text: str
    not_built: str
    below: type[ApiModel] | None
    context: Context

    @property
    def meaning(self) -> str:
        """The whole sentence of the last column."""
        return f"{self.text} **{self.not_built}**" if self.not_built else self.text


def fields_of(model: type[ApiModel], context: Context) -> Iterator[Field]:
    """The fields of a structure that stands in this context, in the model's order."""
    hints = get_type_hints(model, include_extras=True)
    for attribute, info in model.model_fields.items():
        facts = field_type(f"{model.__name__}.{attribute}", hints[attribute])
        yield _field(info.alias or attribute, facts, info, context)


def summary_of(model: type[ApiModel]) -> str:
    """The sentence that the model's docstring begins with."""
    return " ".join((inspect.getdoc(model) or "").split("\n\n")[0].split())


def rules_of(model: type[ApiModel]) -> list[str]:
    """The sentences that a user reads when a rule of the structure is broken, each once."""
    return list(dict.fromkeys(rule.message for rule in model.RULES))


def _field(name: str, facts: FieldType, info: FieldInfo, context: Context) -> Field:
    doc, marker = facts.needed(Doc), facts.one(NotBuilt)
    whole = marker if marker is not None and marker.whole else context.not_built
    below = replace(context, fixed=context.fixed or isinstance(doc, Fixed), not_built=whole)
    structure = _structure(facts)
    if structure is not None and get_origin(facts.core) is not None:
        # what stands in a list gets no defaults: see the schema
        below = replace(below, defaults=False)
    counts = context.effects and (structure is None or not structure.model_fields)
    shown = marker or whole
    return Field(
        name=name,
        kind=_type(facts),
        default=_default(facts, info, context),
        changes=_WHEN[Fixed if below.fixed else type(doc)] if counts else "",
        text=" ".join((doc.text, *_own_rules(facts))),
        not_built=shown.sentence if shown else "",
        below=structure if structure is not None and structure.model_fields else None,
        context=below,
    )


def _structure(facts: FieldType) -> type[ApiModel] | None:
    """The structure that the field, or an item of it, is."""
    core = facts.core
    if get_origin(core) is tuple:
        core = field_type(facts.place, get_args(core)[0]).core
    return core if isinstance(core, type) and issubclass(core, ApiModel) else None


def _default(facts: FieldType, info: FieldInfo, context: Context) -> str:
    if info.is_required():
        return "needed" if context.effects else ""
    default = default_of(facts, info) if context.defaults else None
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, list):
        return ", ".join(f"`{item}`" for item in default)
    return "" if default is None or isinstance(default, dict) else f"`{default}`"


def _type(facts: FieldType) -> str:
    core = facts.core
    origin = get_origin(core)
    if origin is tuple:
        items = facts.needed(Items)
        member = _type(field_type(facts.place, get_args(core)[0]))
        most = f"at most {items.max_items}"
        return f"list, {most}" if member == _STRUCTURE else f"list of {member}, {most}"
    if origin is dict:
        if facts.one(FreeForm) is not None:
            return _STRUCTURE
        return f"map of texts, at most {facts.needed(Entries).max_properties}"
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in get_args(core))
    if core is bool:
        return "`true`, `false`"
    if core is int:
        return _span(facts.needed(Range))
    if core is datetime:
        return "time"
    if core is str:
        return _text(facts)
    return _STRUCTURE if core.model_fields else "`{}`"


def _span(bounds: Range) -> str:
    if bounds.maximum is None:
        return f"number from {bounds.minimum}"
    return f"number, {bounds.minimum} to {bounds.maximum}"


def _text(facts: FieldType) -> str:
    word = _word(facts)
    if word:
        return f"[{word}](README.md#values)"
    text = facts.needed(Text)
    return (
        f"text, {text.min_length} to {text.max_length}"
        if text.min_length
        else f"text, at most {text.max_length}"
    )


def _word(facts: FieldType) -> str:
    """The word for a value with a rule of its own."""
    rules = set(facts.every(Rule))
    return next((word for word, value in VALUES.items() if rules and rules >= _rules_in(value)), "")


def _own_rules(facts: FieldType) -> Iterator[str]:
    """Sentences of the field's rules beyond those of its value."""
    word = _word(facts)
    known = _rules_in(VALUES[word]) if word else frozenset()
    for rule in facts.every(Rule):
        if rule not in known:
            yield (
                f"It {rule.message}." if rule.message.startswith("must") else f"{rule.message.capitalize()}."
            )


def _rules_in(value: Any) -> frozenset[Rule]:
    return frozenset(marker for marker in get_args(value)[1:] if isinstance(marker, Rule))
