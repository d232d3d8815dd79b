"""The frame of admission policies, and the table's messages as CEL expressions.

Used by the `admission_*` modules, which say who may do what. Rendered into manifests by
`quantix_api.generate`; nothing here runs in a component.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from string import Formatter
from typing import Any

from quantix_api.errors import InvariantError
from quantix_api.message_text import text_of
from quantix_api.messages import fields_of, templates_of
from quantix_api.resources import GROUP

Manifest = dict[str, Any]
ADMISSION = "admissionregistration.k8s.io/v1"


@dataclass(frozen=True)
class Check:
    """A condition that must hold, and the sentence for when it does not (text, or a CEL expression)."""

    cel: str
    message: str = ""
    message_cel: str = ""

    def manifest(self) -> Manifest:
        """The entry of `validations`."""
        text = {"messageExpression": self.message_cel} if self.message_cel else {"message": self.message}
        return {"expression": self.cel, **text, "reason": "Forbidden"}


@dataclass(frozen=True)
class Match:
    """Which requests a policy looks at."""

    operations: tuple[str, ...]
    resources: tuple[str, ...]
    group: str = GROUP

    def manifest(self) -> Manifest:
        """The entry of `resourceRules`."""
        return {
            "apiGroups": [self.group],
            "apiVersions": ["*"],
            "operations": list(self.operations),
            "resources": list(self.resources),
        }


@dataclass(frozen=True)
class Policy:
    """A ValidatingAdmissionPolicy. `only_if` and `variables` are pairs of name and CEL expression."""

    name: str
    matches: tuple[Match, ...]
    checks: tuple[Check, ...]
    only_if: tuple[tuple[str, str], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()

    def manifests(self) -> tuple[Manifest, Manifest]:
        """The policy and its binding."""
        spec: Manifest = {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [match.manifest() for match in self.matches]},
        }
        if self.only_if:
            spec["matchConditions"] = _named(self.only_if)
        if self.variables:
            spec["variables"] = _named(self.variables)
        spec["validations"] = [check.manifest() for check in self.checks]
        binding = {"policyName": self.name, "validationActions": ["Deny"]}
        return (
            _object("ValidatingAdmissionPolicy", self.name, spec),
            _object("ValidatingAdmissionPolicyBinding", self.name, binding),
        )


def mutating(name: str, spec: Manifest) -> tuple[Manifest, Manifest]:
    """A MutatingAdmissionPolicy and its binding."""
    return (
        _object("MutatingAdmissionPolicy", name, spec),
        _object("MutatingAdmissionPolicyBinding", name, {"policyName": name}),
    )


def message_expression(reason: str, **fields: str) -> str:
    """A message of the table as a CEL expression; each field is the CEL expression of a string.

    Raises InvariantError (`MessageUnknown`) when the table has no such form.
    """
    form = next((form for form in templates_of(reason) if fields_of(form) == frozenset(fields)), None)
    if form is None:
        raise InvariantError("MessageUnknown", f"There is no message {reason} with fields {sorted(fields)}.")
    parts: list[str] = []
    for literal, name, _, _ in Formatter().parse(text_of(form.sentence, form.hint)):
        if literal:
            parts.append(json.dumps(literal, ensure_ascii=False))
        if name:
            parts.append(fields[name])
    return " + ".join(parts)


def _object(kind: str, name: str, spec: Manifest) -> Manifest:
    metadata = {"name": name, "labels": {"app.kubernetes.io/part-of": "quantix"}}
    return {"apiVersion": ADMISSION, "kind": kind, "metadata": metadata, "spec": spec}


def _named(pairs: tuple[tuple[str, str], ...]) -> list[Manifest]:
    return [{"name": name, "expression": cel} for name, cel in pairs]


def where(kinds: str, cel: str) -> str:
    """The expression, where a request of a host is about one of these kinds; each is `RESOURCE` or
    `RESOURCE/status`, by the variable `kind` of that policy.
    """
    return f"!(variables.kind in {kinds.split()}) || ({cel})"
