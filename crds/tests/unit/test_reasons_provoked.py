"""Each reason that a component gives is provoked in a test that expects it by name."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from quantix_api.conditions import reasons_otherwise
from quantix_api.messages import TABLE
from quantix_lab.checkout import CHECKOUT
from quantix_lab.source_trees import nodes, sources

COMPONENTS = ("operator", "hostd", "cli")
REASONS = frozenset(template.reason for template in TABLE)
READ = frozenset({"Fenced", "HAReserve", "Isolated", "StorageLost", "Suspect"})
"""Reasons of failover: read by operator and qx, and given by nothing yet."""


def _words(path: Path) -> frozenset[str]:
    """The words of a module's strings, docstrings aside."""
    docs = {
        id(node.value)
        for node in nodes(path)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return frozenset(
        word
        for node in nodes(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
        for word in re.findall(r"\w+", node.value)
    )


@cache
def _expected() -> frozenset[str]:
    """The reasons that tests of components name."""
    files = [path for name in (*COMPONENTS, "e2e") for path in (CHECKOUT / name / "tests").rglob("*.py")]
    return REASONS.intersection(*[frozenset().union(*map(_words, files))])


def _given() -> frozenset[str]:
    """The reasons that components write as they stand in the table, and not as a part of a sentence."""
    return frozenset(
        node.value
        for path in sources(*COMPONENTS)
        for node in nodes(path)
        if isinstance(node, ast.Constant) and node.value in REASONS
    )


def test_every_reason_that_is_given_is_expected_by_a_test() -> None:
    assert sorted(_given() - _expected() - READ) == []


def _raised_about(kind: str) -> frozenset[str]:
    """The reasons that hostd gives an error, of those that have words for objects of this kind."""
    worded = {template.reason for template in TABLE if kind in template.where.split(", ")}
    calls = (node for path in sources("hostd") for node in nodes(path) if isinstance(node, ast.Call))
    errors = (call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "as_error")
    given = (word.value for call in errors for word in call.args if isinstance(word, ast.Constant))
    return frozenset(worded.intersection(given))


def test_what_an_error_says_of_a_vm_or_volume_may_stand_in_its_ready() -> None:
    # of an agent's question alone: its answer is AgentConnected
    elsewhere = {"Refused"}
    for kind in ("VirtualMachine", "Volume"):
        raised = _raised_about(kind)
        assert {"ClaimForeign", "ClaimStale", "LibvirtDown"} <= raised
        assert sorted(raised - reasons_otherwise(kind, "Ready") - elsewhere) == []


def test_what_is_only_read_is_still_in_the_table() -> None:
    assert sorted(READ - REASONS) == []
