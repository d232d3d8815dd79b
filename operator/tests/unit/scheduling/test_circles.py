"""Who waits for each other, in any graph."""

from __future__ import annotations

import random

from quantix_operator.scheduling.circles import Circles


def reaches(waits: dict[str, tuple[str, ...]], start: str, goal: str) -> bool:
    seen: set[str] = set()
    following = [start]
    while following:
        for name in waits.get(following.pop(), ()):
            if name == goal:
                return True
            if name in waits and name not in seen:
                seen.add(name)
                following.append(name)
    return False


def test_they_are_those_that_lead_to_each_other_by_whatever_way() -> None:
    chance = random.Random(26)
    for _ in range(300):
        names = [f"v{number}" for number in range(chance.randint(1, 9))]
        waits = {name: tuple(chance.sample([*names, "away"], min(2, len(names)))) for name in names}
        circles = Circles(waits)
        for name in names:
            others = {o for o in names if reaches(waits, name, o) and reaches(waits, o, name)}
            assert circles.of(name) == others | {name}, waits


def test_a_circle_may_be_as_long_as_a_namespace_has_vms() -> None:
    waits = {f"v{number}": (f"v{(number + 1) % 5000}",) for number in range(5000)}
    assert len(Circles(waits).of("v0")) == 5000


def test_who_is_not_known_waits_for_nobody() -> None:
    assert Circles({"a": ("b",)}).of("b") == {"b"}
