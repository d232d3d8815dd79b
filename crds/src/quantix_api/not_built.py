"""Which parts of an object cannot be had yet: fields of spec that carry the marker `Refused` and are set.

Asked by the operator before a VM gets anything. It reads the markers themselves, so that a field is honoured
from the moment on at which its marker goes. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from quantix_api.markers import Refused
from quantix_api.model import ApiModel
from quantix_api.schema_type import field_type


@dataclass(frozen=True)
class _Part:
    """A field that is refused, or has such a one below it."""

    attribute: str
    name: str
    default: Any
    refused: bool


def refused_parts(structure: ApiModel, path: str = "spec") -> Iterator[str]:
    """The paths of what is set and not built, such as `spec.disks[root].snapshot`, in the model's order."""
    for part in _parts(type(structure)):
        value, here = getattr(structure, part.attribute), f"{path}.{part.name}"
        if part.refused:
            if value != part.default:
                yield here
        elif isinstance(value, tuple):
            for item in value:
                yield from refused_parts(item, f"{here}[{getattr(item, 'name', '')}]")
        elif value is not None:
            yield from refused_parts(value, here)


@cache
def _parts(model: type[ApiModel]) -> tuple[_Part, ...]:
    hints = get_type_hints(model, include_extras=True)
    parts = []
    for attribute, info in model.model_fields.items():
        facts = field_type(f"{model.__name__}.{attribute}", hints[attribute])
        refused = facts.one(Refused) is not None
        below = _structure(facts.core)
        if refused or (below is not None and _parts(below)):
            parts.append(_Part(attribute, info.alias or attribute, info.get_default(), refused))
    return tuple(parts)


def _structure(core: Any) -> type[ApiModel] | None:
    """The structure that a field, or an item of its list, is."""
    if get_origin(core) is tuple:
        core = field_type("list", get_args(core)[0]).core
    return core if isinstance(core, type) and issubclass(core, ApiModel) else None
