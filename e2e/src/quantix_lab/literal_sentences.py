"""Finds sentences that a component writes itself instead of taking them from the table of messages.

For the unit tests of the components. A sentence is literal where it stands in a call just after its reason
(`Fact(type, status, "PoolFull", f"...")`, `PermanentError("PoolFull", "...")`), or is an event's text
(`events.record(object, reason, "...")`), be it there or in a variable of the same function.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from quantix_api import conditions
from quantix_api.messages import TABLE
from quantix_lab.source_trees import modules, tree

_REASONS = {template.reason for template in TABLE} | {
    reason for row in conditions.TABLE for reason in (*row.true, *row.otherwise)
}
_NAMED_REASONS = {"INTERNAL_ERROR": conditions.INTERNAL_ERROR}
_EVENT_TEXT = 2

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def literal_sentences(package: Path) -> list[str]:
    """`file.py:LINE REASON` of each literal sentence below `package`, a folder of sources."""
    return [
        f"{path.relative_to(package)}:{line} {reason}"
        for path in modules(package)
        for line, reason in literal_sentences_in(tree(path))
    ]


def literal_sentences_in(module: ast.Module) -> list[tuple[int, str]]:
    """Line and reason of each literal sentence of one module."""
    functions = [node for node in ast.walk(module) if isinstance(node, _Function)]
    found = set(_of_calls(module, {}))
    for function in functions:
        found |= set(_of_calls(function, _sentences_by_name(function)))
    return sorted(found)


def _of_calls(scope: ast.AST, named: dict[str, bool]) -> Iterator[tuple[int, str]]:
    for call in ast.walk(scope):
        if not isinstance(call, ast.Call):
            continue
        for reason, text in zip(call.args, call.args[1:], strict=False):
            word = _reason(reason)
            if word in _REASONS and _is_sentence(text, named):
                yield call.lineno, word
        is_event = getattr(call.func, "attr", "") == "record" and len(call.args) > _EVENT_TEXT
        if is_event and _is_sentence(call.args[_EVENT_TEXT], named):
            yield call.lineno, _reason(call.args[_EVENT_TEXT - 1])


def _reason(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    name = getattr(node, "id", getattr(node, "attr", ""))
    return _NAMED_REASONS.get(name, "")


def _is_sentence(node: ast.expr, named: dict[str, bool]) -> bool:
    """Whether it is text with a space in it: words for a person, no reason and no name."""
    if isinstance(node, ast.Name):
        return named.get(node.id, False)
    if isinstance(node, ast.BinOp):
        return _is_sentence(node.left, named) or _is_sentence(node.right, named)
    if isinstance(node, ast.IfExp):
        return _is_sentence(node.body, named) or _is_sentence(node.orelse, named)
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return any(isinstance(p, ast.Constant) and isinstance(p.value, str) and " " in p.value for p in parts)


def _sentences_by_name(function: _Function) -> dict[str, bool]:
    named: dict[str, bool] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            named[name] = named.get(name, False) or _is_sentence(node.value, named)
    return named
