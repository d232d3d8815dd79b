"""Which of the better moves are asked for now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from quantix_api import VirtualMachineMigration
from quantix_api.facts import fact
from quantix_api.scheduling_policy import Balancer
from quantix_operator.balance.due import plan_due
from quantix_operator.balance.history import history_of
from quantix_operator.balance.model import Better, Cause, Mover, Observed, Plan
from quantix_operator.balance.observe import Situation
from quantix_operator.migration.model import Limits, Prospect
from quantix_operator.scheduling.model import World

from .cluster import a_guest

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def better(name: str, source: str, target: str) -> Better:
    mover = Mover(Prospect(a_guest(name), source, f"uid-{source}"))
    return Better(mover, target, Cause.PREFERENCE, fact("Balanced", "True", "Balanced"))


def going(name: str, source: str, target: str) -> VirtualMachineMigration:
    status = {"startedAt": "2026-11-24T11:59:00Z", "sourceHost": source, "targetHost": target}
    metadata = {"name": name, "namespace": "a", "uid": name}
    parsed = {"metadata": metadata, "spec": {"virtualMachine": name}, "status": status}
    return VirtualMachineMigration.parse(parsed)


def due(
    moves: Sequence[Better],
    *begun: VirtualMachineMigration,
    limits: Limits = Limits(),  # noqa: B008
    most: int = 12,
) -> list[str]:
    situation = Situation(
        Balancer.model_validate({"maxMovesPerHour": most}),
        limits,
        history_of(begun, lambda _: "", NOW),
        Observed(World(())),
        {},
        {},
    )
    return [item.mover.guest.name for item in plan_due(situation, Plan(tuple(moves)))]


FOUR = (better("a", "h1", "h2"), better("b", "h1", "h3"), better("c", "h1", "h4"), better("d", "h5", "h6"))


def test_a_host_takes_part_in_as_many_as_migrations_may() -> None:
    assert due(FOUR) == ["a", "b", "d"], "two from h1 are enough"
    assert due(FOUR, limits=Limits(per_host=1)) == ["a", "d"]
    assert due(FOUR, going("x", "h1", "h9"), going("y", "h9", "h6")) == ["a", "d"]


@pytest.mark.parametrize(("per_cluster", "names"), [(2, ["a"]), (1, []), (0, [])])
def test_what_goes_on_takes_its_place_of_all(per_cluster: int, names: list[str]) -> None:
    assert due(FOUR, going("x", "h8", "h9"), limits=Limits(per_cluster=per_cluster)) == names


def test_what_the_hour_allows_goes_to_moves_that_can_go_on() -> None:
    assert due(FOUR, going("x", "h1", "h8"), going("y", "h1", "h9"), most=1) == ["d"]
    assert due(FOUR, most=0) == []
