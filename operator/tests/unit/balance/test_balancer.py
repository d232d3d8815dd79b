"""The balancer at work: what it says and makes in each mode, what keeps it still, and what it counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from quantix_api import VirtualMachine
from quantix_api.resources import HOSTS
from quantix_operator.parts import host_as_load, host_but_amounts

from .balanced_world import BalancedWorld

HOUR = timedelta(hours=1)


@pytest.fixture
def world() -> BalancedWorld:
    made = BalancedWorld()
    made.mode("Automatic")
    return made


def two_too_near(world: BalancedWorld, **spec: Any) -> None:
    world.web("web-1", **spec)
    world.web("web-2", **spec)


async def test_automatic_makes_one_migration_that_says_whose_it_is(world: BalancedWorld) -> None:
    two_too_near(world)
    await world.look_at_balance()
    (made,) = world.made().values()
    assert made["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "quantix",
        "quantix.io/balancer": "AntiAffinityBroken",
    }
    assert made["spec"] == {"virtualMachine": "web-1", "targetHost": "h2"}
    assert world.events.reasons == ["BalancerMoves", "BalancerMoves"], "of the VM, and of the policy"
    assert world.said()[:2] == ("False", "MovesUnderWay")
    assert world.moves() == []
    assert world.metric("migrations_total", reason="AntiAffinityBroken") == 1
    await world.look()
    await world.look_at_balance(3)
    assert len(world.made()) == 1
    assert world.said()[2] == (
        "VMs are on their way to better places: web-1 to h2. Try: nothing; it goes on by itself."
    )


async def test_recommend_says_what_would_be_better_and_moves_nothing(world: BalancedWorld) -> None:
    world.mode("Recommend")
    two_too_near(world)
    assert await world.look_at_balance(2) is not None
    assert world.asked() == {}
    assert world.said()[:2] == ("False", "MovesRecommended")
    assert world.said()[2].startswith("It would be better to move web-1 to h2. Try: qx plan balance")
    assert world.moves() == [
        {
            "namespace": "a",
            "virtualMachine": "web-1",
            "sourceHost": "h1",
            "targetHost": "h2",
            "reason": "AntiAffinityBroken",
            "message": "web-1 is to be away from VMs with app=web, and is once web-1 is on h2.",
        }
    ]
    assert world.events.reasons == ["MoveRecommended"], "once"
    assert world.metric("moves_due", reason="AntiAffinityBroken") == 1
    writes = len(world.api.writes)
    world.restart()
    await world.look_at_balance(2)
    assert world.events.reasons == ["MoveRecommended"], "nor by the next leader"
    assert len(world.api.writes) == writes


async def test_a_leader_that_has_not_looked_yet_leaves_what_was_said(world: BalancedWorld) -> None:
    world.mode("Recommend")
    two_too_near(world)
    await world.look_at_balance()
    before = world.live("default")["status"]
    world.restart()
    world.learn()
    await world.policies.reconcile("default")
    assert world.live("default")["status"] == before


async def test_off_says_nothing_and_takes_back_what_waits(world: BalancedWorld) -> None:
    two_too_near(world)
    await world.look_at_balance()
    (made,) = world.made().values()
    world.mode("Off")
    await world.look_at_balance()
    assert world.live(made["metadata"]["name"])["spec"]["cancel"] is True
    assert world.said()[0] == ""
    assert world.moves() == []


async def test_the_cap_counts_what_leaders_before_made() -> None:
    world = BalancedWorld(("h1", "h2", "h3", "h4"))
    world.mode("Automatic", moves=2)
    two_too_near(world)
    world.over("gone", ago=HOUR - timedelta(minutes=1), **{"quantix.io/balancer": "CPUPressure"})
    world.over("past", ago=HOUR + timedelta(minutes=1), **{"quantix.io/balancer": "CPUPressure"})
    await world.look_at_balance()
    assert len(world.made()) == 3
    world.web("web-3", "h3")
    world.web("web-4", "h3")
    world.restart()
    await world.look_at_balance()
    assert len(world.made()) == 3
    status, reason, message = world.said()
    assert (status, reason) == ("False", "MovesCapped")
    assert "but 2 were made within an hour, and no more may be" in message


async def test_no_more_go_on_at_once_than_migrations_may(world: BalancedWorld) -> None:
    world.mode("Automatic", perHost=2, perCluster=1)
    two_too_near(world)
    world.vm("other", "h3")
    world.ask("by-hand", "other", targetHost="h2")
    begun = {"startedAt": "2026-11-01T10:00:00Z", "sourceHost": "h3", "targetHost": "h2"}
    world.says("by-hand", virtualMachineUID="uid-other", **begun)
    await world.look_at_balance()
    assert world.made() == {}
    assert world.said()[:2] == ("False", "MovesUnderWay")
    assert [move["virtualMachine"] for move in world.moves()] == ["web-1"]


async def test_migrations_that_wait_for_ever_stop_nothing(world: BalancedWorld) -> None:
    """Of a VM that never runs, asked for by whoever may make migrations in a namespace of his own."""
    two_too_near(world)
    for number in range(8):
        world.ask(f"waits-{number}", "never-there", targetHost=f"h{number % 3 + 1}")
    await world.look_at_balance()
    assert list(world.made()) == ["web-1"]


HELD = [
    ({"spec": {"maintenance": True}}, "Nothing is moved while h3 is being emptied."),
    ({"conditions": []}, "Nothing is moved while h3 is Joining."),
    (
        {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "Unreachable"}]},
        "Nothing is moved while h3 is Unreachable.",
    ),
]


@pytest.mark.parametrize(("how", "why"), HELD)
async def test_while_a_host_comes_goes_or_is_away_nothing_moves(
    world: BalancedWorld, how: dict[str, Any], why: str
) -> None:
    two_too_near(world)
    await world.look_at_balance()
    (made,) = world.made().values()
    world.host("h3", **how)
    await world.look_at_balance()
    assert world.said() == ("Unknown", "BalanceHeld", f"{why} Try: qx host explain h3.")
    assert world.live(made["metadata"]["name"])["spec"]["cancel"] is True
    assert world.metric("held") == 1


async def test_an_empty_host_in_maintenance_holds_nothing_up(world: BalancedWorld) -> None:
    two_too_near(world)
    drained = {"type": "Drained", "status": "True", "reason": "Empty"}
    silent = {"type": "Ready", "status": "Unknown", "reason": "Unreachable"}
    world.host("h3", {"maintenance": True}, conditions=[silent, drained])
    await world.look_at_balance()
    assert len(world.made()) == 1


@pytest.mark.parametrize(
    ("phase", "ours", "ago", "moves"),
    [
        ("Succeeded", False, timedelta(minutes=29), False),
        ("Succeeded", False, timedelta(minutes=31), True),
        ("Failed", True, timedelta(minutes=59), False),
        ("Failed", True, timedelta(minutes=61), True),
        ("Failed", False, timedelta(minutes=1), True),
        ("Cancelled", True, timedelta(minutes=59), False),
        ("Cancelled", True, timedelta(minutes=61), True),
        ("Cancelled", False, timedelta(minutes=1), True),
    ],
)
async def test_a_vm_rests_after_it_moved_and_after_the_balancer_tried_in_vain(
    world: BalancedWorld, phase: str, ours: bool, ago: timedelta, moves: bool
) -> None:
    two_too_near(world)
    for vm in ("web-1", "web-2"):
        world.over(vm, phase, ago, **({"quantix.io/balancer": "CPUPressure"} if ours else {}))
    await world.look_at_balance()
    asked = [item for item in world.made().values() if not item["status"].get("finishedAt")]
    assert bool(asked) is moves
    if not moves:
        assert world.said()[:2] == ("False", "NoMoveHelps")
        assert "a/web-1 (MovedLately), a/web-2 (MovedLately)" in world.said()[2]


@pytest.mark.parametrize(("policy", "why"), [("Block", "PolicyBlock"), ("Stop", "PolicyStop")])
async def test_a_vm_whose_policy_forbids_it_stays(world: BalancedWorld, policy: str, why: str) -> None:
    two_too_near(world, migration={"onMaintenance": policy})
    await world.look_at_balance()
    assert world.made() == {}
    assert world.said()[2].startswith(f"No move would help: a/web-1 ({why}), a/web-2 ({why}).")


async def test_a_vm_that_is_paused_off_or_moved_by_somebody_is_not_moved(world: BalancedWorld) -> None:
    world.web("web-1", powerState="Paused")
    world.web("web-2")
    world.ask("by-hand", "web-2", targetHost="h3")
    await world.look_at_balance()
    assert world.made() == {}
    assert world.said()[1] == "Balanced", "the person's wish mends it"
    world.ask("anywhere", "web-2")
    world.says("by-hand", finishedAt="2026-11-01T10:00:00Z", phase="Failed")
    await world.look_at_balance()
    assert world.made() == {}, "where it goes is not known yet"


async def test_a_host_that_says_that_its_cpus_are_short_is_relieved(world: BalancedWorld) -> None:
    world.web("busy", placement={})
    world.web("calm", placement={})
    world.short_of("h1", uses={"busy": 30, "calm": 5})
    await world.look_at_balance()
    assert {vm: item["metadata"]["labels"]["quantix.io/balancer"] for vm, item in world.made().items()} == {
        "busy": "CPUPressure"
    }
    await world.look_at_balance()
    assert len(world.made()) == 1, "how it fares then shows later"


async def test_memory_that_is_short_is_relieved_unless_disks_would_be_copied(world: BalancedWorld) -> None:
    world.web("near", shared=False, placement={})
    world.short_of("h1", "Memory")
    await world.look_at_balance()
    assert world.made() == {}
    assert world.said()[2].startswith("No move would help: h1 (MemoryPressure), a/near (LocalStorage).")
    world.web("far", placement={})
    await world.look_at_balance()
    assert [item["metadata"]["labels"]["quantix.io/balancer"] for item in world.made().values()] == [
        "MemoryPressure"
    ]


async def test_where_nothing_asks_for_a_look_there_is_none(world: BalancedWorld) -> None:
    world.vm("web")
    world.vm("db", "h2")
    looked_at: list[type] = []

    def listing(kind: type, *_: object) -> list[object]:
        looked_at.append(kind)
        return []

    world.objects.list = listing  # type: ignore[method-assign, assignment]
    assert await world.look_at_balance() is None
    assert world.said()[:2] == ("True", "Balanced")
    assert VirtualMachine not in looked_at


async def test_without_a_policy_nothing_is_balanced() -> None:
    world = BalancedWorld()
    two_too_near(world)
    await world.look_at_balance()
    assert world.asked() == {}


async def test_a_wish_that_failed_is_followed_by_one_of_another_name(world: BalancedWorld) -> None:
    two_too_near(world)
    await world.look_at_balance()
    (first,) = world.made().values()
    name = first["metadata"]["name"]
    world.says(name, phase="Failed", startedAt="2026-11-01T10:00:00Z", finishedAt="2026-11-01T10:00:00Z")
    await world.look_at_balance()
    names = {item["metadata"]["name"] for item in world.api.objects.values() if world._is_ours(item)}
    assert len(names) == 2


def test_a_change_of_what_a_host_waits_for_wakes_only_the_balancer(world: BalancedWorld) -> None:
    before = world.live("h1")
    world.short_of("h1")
    after = world.live("h1")
    assert host_but_amounts(before) == host_but_amounts(after)
    assert host_as_load(before) != host_as_load(after)
    assert before["kind"] == HOSTS.kind
