"""Worlds are made once for each group of tests, and none outlives it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from quantix_lab.worlds import Worlds

told: list[str] = []


@contextmanager
def machine() -> Iterator[int]:
    told.append("machine begins")
    try:
        yield len(told)
    finally:
        told.append("machine ends")


@contextmanager
def lab() -> Iterator[str]:
    told.append("lab begins")
    yield "lab"
    told.append("lab ends")
    raise OSError("a host was left")


@pytest.fixture
def worlds() -> Worlds:
    told.clear()
    return Worlds()


def test_one_is_made_when_it_is_asked_for_and_then_the_same(worlds: Worlds) -> None:
    assert told == []
    assert worlds.the(machine) == worlds.the(machine)
    assert told == ["machine begins"]


def test_all_end_the_last_first_whatever_goes_wrong_with_one(worlds: Worlds) -> None:
    worlds.the(machine)
    worlds.the(lab)
    with pytest.raises(OSError, match="a host was left"):
        worlds.end()
    assert told == ["machine begins", "lab begins", "lab ends", "machine ends"]


def test_after_the_end_another_is_made(worlds: Worlds) -> None:
    worlds.the(machine)
    worlds.end()
    worlds.end()
    worlds.the(machine)
    assert told == ["machine begins", "machine ends", "machine begins"]
