"""Of several NICs that wait, all are told that somebody has to see to."""

from __future__ import annotations

import pytest

from quantix_operator.ipam.assign import Problem
from quantix_operator.nics.telling import told
from quantix_operator.northbound.words import message

COMES = Problem.of("Programming")


def missing(name: str) -> Problem:
    return Problem.of("NetworkNotFound", network=name, path=f"spec.nics[{name}]")


def outside(address: str) -> Problem:
    return Problem.of("AddressReserved", address=address, network="a/db", path="x", what="the first")


@pytest.mark.parametrize(
    ("problems", "reason", "named", "silent"),
    [
        ((missing("db"), missing("lan")), "NetworkNotFound", ("db", "lan"), ()),
        ((missing("db"), outside("10.0.0.9")), "AddressReserved", ("10.0.0.9",), ("db is",)),
        ((outside("10.0.0.8"), outside("10.0.0.9")), "AddressReserved", ("10.0.0.8", "10.0.0.9"), ()),
    ],
)
def test_all_of_a_sort_are_told(
    problems: tuple[Problem, ...], reason: str, named: tuple[str, ...], silent: tuple[str, ...]
) -> None:
    found, said = told(problems)
    assert (found, len(said) <= 300) == (reason, True)
    assert all(name in said for name in named)
    assert not any(name in said for name in silent)


def test_what_comes_by_itself_is_not_told_beside_what_does_not() -> None:
    lone = message("NetworkNotFound", network="db", path="spec.nics[db]")
    assert told([COMES, missing("db")]) == ("NetworkNotFound", lone)


def test_the_same_is_told_once() -> None:
    assert told([missing("db"), missing("db")]) == told([missing("db")])
