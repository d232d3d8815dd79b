"""Python annotations of the models as facts for the schema: core type, optional or not, markers.

Used by `schema_property` and `schema` only. What is not known here is an error: a type that silently became
something else would let wrong manifests in.
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from quantix_api.errors import InvariantError
from quantix_api.markers import Doc, Entries, FreeForm, Items, NotBuilt, Range, Rule, SchemaDefault, Text

_KNOWN_MARKERS = (Doc, Entries, FreeForm, Items, NotBuilt, Range, Rule, SchemaDefault, Text)
_Marker = TypeVar("_Marker")


class SchemaError(InvariantError):
    """A model says something that the generator cannot put into a schema."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__("SchemaNotUnderstood", f"{place}: {problem}.")


@dataclass(frozen=True)
class FieldType:
    """What an annotation says: the type without `None` and `Annotated`, and all markers, outermost last."""

    place: str
    core: Any
    markers: tuple[object, ...]

    def every(self, marker: type[_Marker]) -> tuple[_Marker, ...]:
        """All markers of this class."""
        return tuple(found for found in self.markers if isinstance(found, marker))

    def one(self, marker: type[_Marker]) -> _Marker | None:
        """The marker of this class; SchemaError when there are two."""
        found = self.every(marker)
        if len(found) > 1:
            raise SchemaError(self.place, f"it has {len(found)} markers {marker.__name__}")
        return found[0] if found else None

    def needed(self, marker: type[_Marker]) -> _Marker:
        """The marker of this class; SchemaError when there is none."""
        found = self.one(marker)
        if found is None:
            raise SchemaError(self.place, f"it needs a marker {marker.__name__}")
        return found

    def refuse(self, *markers: type[object]) -> None:
        """SchemaError when it has a marker that says nothing for its type."""
        for found in self.markers:
            if isinstance(found, markers):
                raise SchemaError(self.place, f"{type(found).__name__} says nothing for {self.core}")


def field_type(place: str, annotation: Any) -> FieldType:
    """The facts of an annotation; SchemaError for unions (but with None) and unknown markers."""
    core: Any = annotation
    markers: tuple[object, ...] = ()
    while True:
        origin = get_origin(core)
        if origin is Annotated:
            core, *found = get_args(core)
            markers = (*found, *markers)
        elif origin is Union or origin is types.UnionType:
            members = [member for member in get_args(core) if member is not type(None)]
            if len(members) != 1:
                raise SchemaError(
                    place, f"a union of {len(members)} types has no place in a structural schema"
                )
            core = members[0]
        else:
            break
    for marker in markers:
        if not isinstance(marker, _KNOWN_MARKERS):
            raise SchemaError(place, f"the marker {marker!r} is not known")
    return FieldType(place, core, markers)
