"""Each reason that a component gives is provoked in a test that expects it by name."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

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


def test_what_is_only_read_is_still_in_the_table() -> None:
    assert sorted(READ - REASONS) == []
