"""What a user reads comes from the table of messages (ux.md, section 4): no sentence of hostd's own."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

import quantix_hostd
from quantix_api.conditions import INTERNAL_ERROR, READY_OF_EVERY_KIND, TABLE
from quantix_lab.source_trees import modules, nodes

SOURCES = modules(Path(quantix_hostd.__file__).parent)
REASONS = {reason for row in TABLE for reason in (*row.true, *row.otherwise)} | set(READY_OF_EVERY_KIND)
# The class and the position of its reason and its words
ERRORS = (
    *("QuantixError", "WaitingError", "TransientError", "PermanentError", "InvariantError"),
    *("ClaimRefusedError", "ClaimChangedError", "ClaimDamagedError"),
)
FILLED = ("render", "as_error", "as_wait")
PLACES = {
    **dict.fromkeys(ERRORS, (0, 1)),
    "Fact": (2, 3),
    "Told": (0, 1),
    "Verdict": (2, 3),
    "ImageVerdict": (0, 1),
    "VolumeVerdict": (0, 1),
}


def own_sentences(nodes: Iterable[ast.AST]) -> list[int]:
    """The lines on which a reason of the conditions is given words of the caller's own.

    Words of another error (`.message`), and what bugs are told with, are none.
    """
    lines = []
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        place = PLACES.get(name)
        if place is None or len(node.args) <= max(place):
            continue
        reason, words = node.args[place[0]], node.args[place[1]]
        told = not isinstance(reason, ast.Constant) or reason.value in REASONS - {INTERNAL_ERROR}
        if told and (not _passed_on(words) if name in ERRORS else _literal(words)):
            lines.append(node.lineno)
    return lines


def _passed_on(words: ast.expr) -> bool:
    return isinstance(words, ast.Attribute) and words.attr == "message"


def _literal(words: ast.AST) -> bool:
    """Whether words stand in it: not as the arguments of a call, such as the fields of `render(…).text`."""
    if isinstance(words, ast.Constant):
        return isinstance(words.value, str)
    parts = () if isinstance(words, ast.Call) else ast.iter_child_nodes(words)
    return any(_literal(part) for part in parts)


@pytest.mark.parametrize(
    "source",
    [
        'raise PermanentError("PoolFull", "There is no room.", "make some")',
        'text = f"{pool} is full."\nraise TransientError("PoolFull", text)',
        'raise errors.WaitingError("Starting", f"{name} starts.")',
        'raise PermanentError(reason or "QEMUCrashed", "It ended.")',
        'Fact("Ready", "True", "Healthy", "It works.")',
        'ImageVerdict("InUse", f"{text} Try: delete those first.", True)',
    ],
)
def test_a_sentence_of_its_own_is_found(source: str) -> None:
    assert own_sentences(ast.walk(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        'raise as_error(PermanentError, "PoolFull", pool=name)',
        "raise WaitingError(said.reason, said.message)",
        'raise InvariantError("InternalError", "The floor of a claim must never fall.")',
        'raise PermanentError("AlreadyRunning", "Another hostd runs here.")',
        'Fact("Ready", "True", "Healthy", render("Healthy").text)',
    ],
)
def test_words_of_the_table_of_another_error_or_of_a_bug_are_none(source: str) -> None:
    assert not own_sentences(ast.walk(ast.parse(source)))


def own_fields(nodes: Iterable[ast.AST]) -> list[int]:
    """The lines on which a message of the table is filled in with words of the caller's own: three or more
    in a row, as names have fewer.
    """
    calls = (node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "id", "") in FILLED)
    return [call.lineno for call in calls for field in call.keywords if _wordy(field.value)]


def _wordy(words: ast.AST) -> bool:
    if isinstance(words, ast.Constant):
        return isinstance(words.value, str) and len(words.value.split()) > 2
    parts = () if isinstance(words, ast.Call) else ast.iter_child_nodes(words)
    return any(_wordy(part) for part in parts)


def test_a_field_of_its_own_words_is_found() -> None:
    found = ['render("Deleting", what="it is gone")', 'as_wait("Deleting", 1.0, what=f"it has left {host}")']
    assert [own_fields(ast.walk(ast.parse(source))) for source in found] == [[1], [1]]
    passed = ['render("Deleting", what=FILE_GONE)', 'as_wait("PoolFull", 1.0, what=f"volume {name}")']
    assert [own_fields(ast.walk(ast.parse(source))) for source in passed] == [[], []]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_what_messages_are_filled_in_with_is_in_the_tables(path: Path) -> None:
    assert not [f"{path}:{line}" for line in own_fields(nodes(path))]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_sentence_that_a_user_reads_is_in_the_table(path: Path) -> None:
    assert not [f"{path}:{line}" for line in own_sentences(nodes(path))]
