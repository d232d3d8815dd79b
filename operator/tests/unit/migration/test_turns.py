"""Whose turn comes first."""

from __future__ import annotations

from quantix_api import VirtualMachineMigration
from quantix_api.resources import LABEL_MAINTENANCE_OF
from quantix_operator.migration.model import Move
from quantix_operator.migration.turns import in_turn


def move(key: str, at: int, *, emptied: str = "", **status: str) -> Move:
    namespace, _, name = key.partition("/")
    labels = {LABEL_MAINTENANCE_OF: emptied} if emptied else {}
    about = {"namespace": namespace, "name": name, "uid": key, "labels": labels}
    about |= {"creationTimestamp": f"2026-11-01T10:00:{at:02}Z"}
    return Move(
        VirtualMachineMigration.model_validate(
            {"metadata": about, "spec": {"virtualMachine": name}, "status": status}
        )
    )


def order(*moves: Move) -> list[str]:
    return [found.migration.key for found in in_turn(moves)]


def test_the_elder_goes_first() -> None:
    assert order(move("a/2", 2), move("a/1", 1), move("a/3", 3)) == ["a/1", "a/2", "a/3"]


def test_who_asks_for_many_keeps_nobody_waiting_for_all_of_them() -> None:
    many = [move(f"a/{number}", number) for number in range(4)]
    assert order(*many, move("b/1", 8), move("c/1", 9)) == ["a/0", "b/1", "c/1", "a/1", "a/2", "a/3"]


def test_what_goes_on_counts_as_a_turn_and_what_is_over_does_not() -> None:
    going = move("a/0", 0, startedAt="2026-11-01T10:00:01Z")
    over = move("b/0", 0, startedAt="2026-11-01T10:00:01Z", finishedAt="2026-11-01T10:00:02Z")
    found = order(going, over, move("a/1", 1), move("b/1", 2))
    assert found[2:] == ["b/1", "a/1"]


def test_a_host_is_emptied_before_anything_else_moves() -> None:
    found = order(move("a/1", 1), move("b/1", 2, emptied="uid-h1"), move("c/1", 3, emptied="uid-h1"))
    assert found == ["b/1", "c/1", "a/1"]
