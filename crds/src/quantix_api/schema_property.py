"""The schema of one field: type, bounds, defaults, rules, description.

Used by `schema`. Follows the structural schemas of Kubernetes (CustomResourceDefinition,
apiextensions.k8s.io/v1): every list says how it merges, every string, list and map is bounded, because an
unbounded one makes the estimated cost of the rules above it too high.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from quantix_api.markers import (
    Doc,
    Entries,
    Fixed,
    FreeForm,
    Items,
    NotBuilt,
    Range,
    Rule,
    SchemaDefault,
    Text,
)
from quantix_api.model import ApiModel
from quantix_api.schema_type import FieldType, SchemaError, field_type

Schema = dict[str, Any]
_VALIDATIONS = "x-kubernetes-validations"
_SCALAR_DEFAULTS = (str, int, bool)


# the format also lets in year 0, an offset of 99 hours and letters behind the seconds, which no model reads:
# then nobody looks after the object any more
_TIME = r"^(19[7-9]|2[0-9]{2})[0-9]-[0-9-]+[Tt][0-9:]+(\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"


@dataclass(frozen=True)
class Context:
    """Where a field stands: below spec or status, inside a list, below a field that cannot change or that is
    not built.
    """

    defaults: bool
    effects: bool
    fixed: bool = False
    not_built: NotBuilt | None = None


SPEC = Context(defaults=True, effects=True)
STATUS = Context(defaults=False, effects=False)


def structure_schema(model: type[ApiModel], context: Context) -> Schema:
    """The schema of a structure; SchemaError names the field that is not understood."""
    hints = get_type_hints(model, include_extras=True)
    properties: Schema = {}
    required: list[str] = []
    for attribute, info in model.model_fields.items():
        name = info.alias or attribute
        place = f"{model.__name__}.{attribute}"
        if name in properties:
            raise SchemaError(place, f"two fields are called {name}")
        properties[name] = _property(field_type(place, hints[attribute]), info, context)
        if info.is_required():
            required.append(name)
    schema: Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    _add_rules(schema, model.RULES)
    return schema


def _property(facts: FieldType, info: FieldInfo, context: Context) -> Schema:
    doc, marker = facts.needed(Doc), facts.one(NotBuilt)
    whole = marker if marker is not None and marker.whole else context.not_built
    below = replace(context, fixed=context.fixed or isinstance(doc, Fixed), not_built=whole)
    schema = _type_schema(facts, below)
    default = default_of(facts, info) if context.defaults else None
    if default is not None:
        schema["default"] = default
    description, not_built = _description(doc, default, facts, below), marker or whole
    if not_built is not None:
        description += f" {not_built.sentence}"
    return {"description": description, **schema}


def _type_schema(facts: FieldType, context: Context) -> Schema:
    core = facts.core
    if isinstance(core, type) and issubclass(core, ApiModel):
        facts.refuse(Text, Range, Items, Entries)
        schema = structure_schema(core, context)
    elif get_origin(core) is tuple:
        schema = _list_schema(facts, context)
    elif get_origin(core) is dict:
        schema = _map_schema(facts, context)
    else:
        schema = _scalar_schema(facts)
    _add_rules(schema, facts.every(Rule))
    return schema


def _scalar_schema(facts: FieldType) -> Schema:
    core = facts.core
    facts.refuse(Items, Entries, SchemaDefault)
    if get_origin(core) is Literal:
        facts.refuse(Text, Range)
        values = list(get_args(core))
        if not all(isinstance(value, str) for value in values):
            raise SchemaError(facts.place, "choices other than strings have no place in a schema")
        return {"type": "string", "enum": values}
    if core is bool:
        facts.refuse(Text, Range)
        return {"type": "boolean"}
    if core is datetime:
        facts.refuse(Text, Range)
        return {"type": "string", "format": "date-time", "pattern": _TIME}
    if core is int:
        facts.refuse(Text)
        bounds = facts.needed(Range)
        schema = {"type": "integer", "format": "int64", "minimum": bounds.minimum}
        return schema if bounds.maximum is None else {**schema, "maximum": bounds.maximum}
    if core is str:
        facts.refuse(Range)
        return _text_schema(facts.needed(Text))
    raise SchemaError(facts.place, f"the type {core!r} has no place in a schema")


def _text_schema(text: Text) -> Schema:
    schema: Schema = {"type": "string", "maxLength": text.max_length}
    if text.min_length:
        schema["minLength"] = text.min_length
    if text.pattern:
        schema["pattern"] = text.pattern
    return schema


def _list_schema(facts: FieldType, context: Context) -> Schema:
    facts.refuse(Text, Range, Entries)
    members = get_args(facts.core)
    if len(members) != 2 or members[1] is not Ellipsis:
        raise SchemaError(facts.place, "a list is written tuple[TYPE, ...]")
    items = facts.needed(Items)
    # a default inside a list makes client-side apply report a change at every run
    member = _type_schema(field_type(f"{facts.place}[]", members[0]), replace(context, defaults=False))
    schema: Schema = {
        "type": "array",
        "items": member,
        "maxItems": items.max_items,
        "x-kubernetes-list-type": items.list_type,
    }
    if items.list_type == "map":
        missing = [key for key in items.keys if key not in member.get("required", ())]
        if missing or not items.keys:
            raise SchemaError(facts.place, f"the keys {missing or items.keys} are not required members")
        schema["x-kubernetes-list-map-keys"] = list(items.keys)
    elif items.list_type == "set" and member["type"] in ("object", "array"):
        raise SchemaError(facts.place, "a set holds single values only")
    elif items.list_type not in ("set", "atomic"):
        raise SchemaError(facts.place, f"the list type {items.list_type!r} is not known")
    return schema


def _map_schema(facts: FieldType, context: Context) -> Schema:
    facts.refuse(Text, Range, Items)
    if facts.one(FreeForm) is not None:
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    key, value = get_args(facts.core)
    if key is not str:
        raise SchemaError(facts.place, "the keys of a map are strings")
    member = _type_schema(field_type(f"{facts.place}{{}}", value), replace(context, defaults=False))
    return {
        "type": "object",
        "additionalProperties": member,
        "maxProperties": facts.needed(Entries).max_properties,
    }


def default_of(facts: FieldType, info: FieldInfo) -> Any:
    """The default that the schema gives; None for none."""
    spelled_out = facts.one(SchemaDefault)
    value = info.default
    if value is PydanticUndefined or value is None or value in ((), {}):
        if spelled_out is not None:
            raise SchemaError(facts.place, "SchemaDefault needs a default of the model")
        return None
    if isinstance(value, ApiModel):
        if value != type(value)():
            raise SchemaError(facts.place, "a structure's default is the one without settings")
        if spelled_out is None:
            return None
        whole = value.model_dump(mode="json", by_alias=True, exclude_none=True)
        if spelled_out.value != whole:
            raise SchemaError(facts.place, f"SchemaDefault must spell out {whole}")
        return whole
    if isinstance(value, tuple) and all(isinstance(item, _SCALAR_DEFAULTS) for item in value):
        return list(value)
    if isinstance(value, _SCALAR_DEFAULTS):
        return value
    raise SchemaError(facts.place, f"the default {value!r} has no place in a schema")


def _description(doc: Doc, default: Any, facts: FieldType, context: Context) -> str:
    parts = [doc.text]
    if isinstance(default, bool):
        parts.append(f"Default: {str(default).lower()}.")
    elif isinstance(default, str | int):
        parts.append(f"Default: {default}.")
    elif isinstance(default, list):
        parts.append(f"Default: {', '.join(map(str, default))}.")
    if context.effects and not _is_structure(facts.core):
        parts.append(Fixed("").effect if context.fixed else doc.effect)
    return " ".join(part for part in parts if part)


def _is_structure(core: Any) -> bool:
    """Whether its own members say when they count."""
    if get_origin(core) is tuple:
        core = field_type("list", get_args(core)[0]).core
    return isinstance(core, type) and issubclass(core, ApiModel) and bool(core.model_fields)


def _add_rules(schema: Schema, rules: tuple[Rule, ...]) -> None:
    for rule in rules:
        entry = {"rule": rule.cel, "message": rule.message}
        if rule.field_path:
            entry["fieldPath"] = rule.field_path
        schema.setdefault(_VALIDATIONS, []).append(entry)
