"""What the operator says comes from the one table of messages."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import quantix_operator
from quantix_lab.literal_sentences import literal_sentences, literal_sentences_in

FOUND = {
    "a condition": 'Fact("Ready", "False", "PoolFull", f"Pool {pool} is full.")',
    "an error": 'raise PermanentError("PoolFull", "The pool is full.")',
    "an error's own class": 'super().__init__("PoolFull", "The pool" + " is full.")',
    "a reason by its constant": 'Fact("Ready", "False", INTERNAL_ERROR, "It broke down.")',
    "an event": 'events.record(obj, "Begun", "It has begun.", type="Warning")',
    "a variable": 'text = f"{name} has begun."\n    events.record(obj, "Begun", text)',
    "one of two": 'Fact("Ready", "False", "PoolFull", said if said else "It is full.")',
}
LEFT_ALONE = {
    "the table's words": 'fact("Ready", "False", "PoolFull", pool="local pool")',
    "words that are handed on": 'Fact("Ready", "False", "PoolFull", before.message)',
    "a process's own end": 'raise PermanentError("PortTaken", "The port is taken.")',
    "the table's words of an event": 'said = render("Adopted")\n    events.record(obj, "Adopted", said.text)',
    "fields of a log": 'log.info("is full now", "PoolFull")',
}


def test_no_sentence_of_the_operator_is_written_where_it_is_said() -> None:
    assert literal_sentences(Path(quantix_operator.__file__).parent) == []


@pytest.mark.parametrize("line", FOUND.values(), ids=FOUND)
def test_a_literal_sentence_is_found(line: str) -> None:
    assert len(literal_sentences_in(ast.parse(f"def say():\n    {line}\n"))) == 1


@pytest.mark.parametrize("line", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_other_text_is_left_alone(line: str) -> None:
    assert literal_sentences_in(ast.parse(f"def say():\n    {line}\n")) == []
