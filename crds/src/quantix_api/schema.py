"""Custom resource definitions from the models: the one way in which schemas come about.

Used by `quantix_api.generate`, which writes them into the repository. Pure: the same models give the same
text.
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any, get_type_hints

from quantix_api.markers import NotBuilt
from quantix_api.messages import render
from quantix_api.model import ApiObject, Column
from quantix_api.resources import GROUP, VERSION
from quantix_api.schema_property import SPEC, STATUS, Schema, structure_schema
from quantix_api.schema_type import SchemaError, field_type

MAX_SELECTABLE_FIELDS = 8
_VALIDATIONS = "x-kubernetes-validations"
_SPEC_TEXT = "What is wanted. Written by users and their tools only."
_STATUS_TEXT = "What is so. Written by Quantix only; its conditions say why."


def render_crd(kind: type[ApiObject]) -> Schema:
    """The CustomResourceDefinition of a kind; SchemaError for what cannot be said in one."""
    definition = kind.DEFINITION
    resource = definition.resource
    if len(definition.selectable) > MAX_SELECTABLE_FIELDS:
        raise SchemaError(kind.__name__, f"a kind has at most {MAX_SELECTABLE_FIELDS} selectable fields")
    root = root_schema(kind)
    for path in definition.selectable:
        _check_path(kind, root, path)
    version: Schema = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": root},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(kind, root, column) for column in definition.columns],
    }
    if definition.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in definition.selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{resource.plural}.{GROUP}",
            "labels": {"app.kubernetes.io/part-of": "quantix"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "names": {
                "kind": resource.kind,
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "listKind": f"{resource.kind}List",
                "shortNames": list(definition.short_names),
                "categories": list(definition.categories),
            },
            "versions": [version],
        },
    }


def root_schema(kind: type[ApiObject]) -> Schema:
    """The schema of a whole object of the kind."""
    hints = get_type_hints(kind, include_extras=True)
    if set(kind.model_fields) != {"metadata", "spec", "status"}:
        raise SchemaError(kind.__name__, "a kind has metadata, spec and status, and nothing else")
    wanted = field_type(f"{kind.__name__}.spec", hints["spec"])
    not_built = wanted.one(NotBuilt)
    spec = structure_schema(wanted.core, replace(SPEC, not_built=not_built))
    status = structure_schema(field_type(f"{kind.__name__}.status", hints["status"]).core, STATUS)
    status["default"] = {"conditions": [_not_seen_yet()]}
    schema: Schema = {
        "type": "object",
        "description": " ".join((_sentence(kind), not_built.sentence)) if not_built else _sentence(kind),
        "properties": {
            "spec": {"description": _SPEC_TEXT, **spec},
            "status": {"description": _STATUS_TEXT, **status},
        },
        "required": ["spec"],
    }
    if kind.RULES:
        schema[_VALIDATIONS] = [{"rule": rule.cel, "message": rule.message} for rule in kind.RULES]
    return schema


def _not_seen_yet() -> Schema:
    """Ready from the first read on, owned by nobody, so that kstatus never calls an unseen object done."""
    message = render("Pending")
    return {
        "type": "Ready",
        "status": "Unknown",
        "reason": message.reason,
        "message": message.text,
        "lastTransitionTime": "1970-01-01T00:00:00Z",
    }


def _sentence(kind: type[ApiObject]) -> str:
    text = inspect.getdoc(kind)
    if not text:
        raise SchemaError(kind.__name__, "a kind needs a docstring: kubectl explain shows it")
    return " ".join(text.split())


def _column(kind: type[ApiObject], root: Schema, column: Column) -> Schema:
    _check_path(kind, root, column.json_path)
    entry: Schema = {"name": column.name, "type": column.type, "jsonPath": column.json_path}
    return {**entry, "priority": column.priority} if column.priority else entry


def _check_path(kind: type[ApiObject], root: Schema, json_path: str) -> None:
    """SchemaError when the path leads to nothing (what the server would show as an empty column)."""
    if json_path.startswith(".metadata."):
        return
    node: Any = root
    for part in json_path.removeprefix(".").split("[", 1)[0].split("."):
        node = node.get("properties", {}).get(part)
        if node is None:
            raise SchemaError(kind.__name__, f"the path {json_path} leads to nothing")
