"""The API server's refusals in our voice, from the table of messages where it has one. Pure.

Used by `session`, which adds the exit code. The server's own words are shown by -v. Their forms are those of
Kubernetes 1.37: `apierrors.NewForbidden`, `NewInvalid` and field.Error of apimachinery.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from quantix_api.message_text import hint_of, sentence_of
from quantix_api.messages import render
from quantix_api.quantities import human_size, size_bytes

_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]+)" cannot (?P<verb>[a-z]+) resource "(?P<what>[a-z/]+)" in API group "[^"]*" '
    r'(?:in the namespace "(?P<namespace>[^"]+)"|at the cluster scope)'
)
_INVALID = re.compile(r'(?P<kind>\w+)\.quantix\.io "(?P<name>[^"]*)" is invalid: (?P<causes>.*)', re.DOTALL)
_KINDS_OF_ERROR = "Invalid value|Required value|Unsupported value|Forbidden|Duplicate value|Too long|Too many"
_CAUSE = re.compile(
    rf"(?<![\w.\[\]-])(?P<path>\w[\w.\[\]-]{{0,300}}): (?P<error>{_KINDS_OF_ERROR})(?:: (?P<said>.*?))?"
    rf"(?=, [\w.\[\]<>-]+: (?:{_KINDS_OF_ERROR})|\]?$)",
    re.DOTALL,
)
# NamespaceLifecycle's of what would be new in a namespace that is being deleted
_GOING = re.compile(r"unable to create new content in namespace (?P<namespace>\S+) because it is being")
# what was sent stands before the sentence about it
_VALUE = re.compile(r'(?:"(?:[^"\\]|\\.)*"|\{[^{}]*\}|[^":,\s]+): (?=\S)')
# apiextensions' validation of a value's type: "spec.memory in body must be of type object: \"string\""
_TYPE = re.compile(r'\S+ in body must be of type (?P<wanted>[a-z]+): "(?P<written>[a-z]+)"')
_TYPES = {
    "object": "a group of fields",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}
# of the policy of deletion, which has no words for sizes but the API's: "holds 433192Mi of volumes"
_HELD = re.compile(r"(?<= holds )[0-9]{1,12}(?:[kMGTP]|[KMGTP]i)(?= of volumes\b)")
_READS = ("get", "list", "watch")
_REQUIRED = "is needed"
# apiextensions' schema says so: "spec.dir.path in body should be at least 2 chars long"
_IN_BODY = " in body "


@dataclass(frozen=True)
class Refusal:
    """What is told, and what to do."""

    sentence: str
    hint: str = ""


def is_about_person(message: str) -> bool:
    """Whether what was forbidden is forbidden to this account, and may be allowed to another one."""
    return "denied request" not in message and _GOING.search(message) is None


def told(message: str) -> Refusal:
    """What a refusal of the server means to whoever typed the command."""
    _, by_policy, sentence = message.partition("denied request: ")
    if by_policy:
        sentence = _HELD.sub(lambda held: human_size(size_bytes(held[0])), sentence)
        return Refusal(sentence_of(sentence), hint_of(sentence))
    if home := _GOING.search(message):
        going = render("NamespaceDeleting", namespace=home["namespace"])
        return Refusal(going.sentence_with_reason, going.hint)
    if found := _FORBIDDEN.search(message):
        return _not_allowed(found)
    if invalid := _INVALID.fullmatch(message):
        causes = list(_CAUSE.finditer(invalid["causes"].lstrip("[")))
        if causes:
            said = "; ".join(_cause(cause) for cause in _worth_telling(causes))
            return Refusal(f"{invalid['kind']} {invalid['name']}: {said}.")
    return Refusal(sentence_of(message), hint_of(message))


def _worth_telling(causes: Sequence[re.Match[str]]) -> list[re.Match[str]]:
    """Without the schema's words about a field of which a rule says what it must be."""
    ruled = {cause["path"] for cause in causes if not _is_of_schema(cause)}
    return [cause for cause in causes if cause["path"] not in ruled or not _is_of_schema(cause)]


def _is_of_schema(cause: re.Match[str]) -> bool:
    return f"{cause['path']}{_IN_BODY}" in (cause["said"] or "")


def _not_allowed(found: re.Match[str]) -> Refusal:
    where = f"in {found['namespace']}" if found["namespace"] else "in this cluster"
    role = "quantix-view" if found["verb"] in _READS else "quantix-edit"
    message = render(
        "NotAllowed", user=found["user"], verb=found["verb"], what=f"{found['what']} {where}", role=role
    )
    return Refusal(message.sentence_with_reason, message.hint)


def _cause(found: re.Match[str]) -> str:
    said = (found["said"] or "").strip()
    sentence = _VALUE.sub("", said, count=1) if _VALUE.match(said) else said
    sentence = sentence.removeprefix(f"{found['path']}{_IN_BODY}")
    if found["error"] == "Required value":
        sentence = _REQUIRED
    if mistyped := _TYPE.search(said):
        wanted, written = (_TYPES.get(mistyped[side], mistyped[side]) for side in ("wanted", "written"))
        sentence = f"{wanted} belongs there, not {written}"
    return f"{found['path']}: {sentence or found['error'].lower()}"
