"""Nothing is passed over: what is called calm is a cluster in which a look would find nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from quantix_api import VirtualMachine
from quantix_api.quantities import format_size
from quantix_operator.balance.calm import is_calm
from quantix_operator.balance.observe import situation_of
from quantix_operator.balance.plan import plan_balance
from quantix_operator.host.load import Figure, amounts, amounts_unread

from .balanced_world import BalancedWorld


@pytest.fixture
def world() -> BalancedWorld:
    return BalancedWorld()


def plain(world: BalancedWorld, name: str, memory: str) -> None:
    """A VM on h1 that asks for no place, without a disk of its host."""
    world.vm(name, memory=memory)
    vm = world.live(name)
    vm["status"]["resolved"]["disks"] = []
    world.api.put(vm)


def promised(world: BalancedWorld) -> None:
    """h1 says what its VMs were promised, as the controller of hosts counts it."""
    world.learn()
    figure = (Figure.MEMORY_BYTES, "h1")
    size_bytes = world.objects.total(VirtualMachine, amounts, figure, amounts_unread)
    world.says("h1", allocated={"cpus": 2, "memory": format_size(size_bytes)})
    world.learn()


async def finds_moves(world: BalancedWorld) -> bool:
    now = datetime.now(UTC)
    return bool(plan_balance((await situation_of(world.objects, now)).observed, now).moves)


HALF = {"overcommit": {"memoryPercent": 50}}
PAGES = {"hugepages": [{"size": "1Gi", "total": 8}]}


@pytest.mark.parametrize(
    ("spec", "status", "memory", "calm"),
    [
        ({}, {}, "6700Mi", False),
        ({}, {}, "6Gi", True),
        (HALF, {}, "3300Mi", False),
        (HALF, {}, "2500Mi", True),
        ({}, PAGES, "3100Mi", False),
        ({"overcommit": {"memoryPercent": 200}}, {}, "6Gi", True),
    ],
)
async def test_a_host_is_full_of_what_it_may_promise(
    world: BalancedWorld, spec: dict[str, Any], status: dict[str, Any], memory: str, calm: bool
) -> None:
    world.host("h1", spec, **status)
    plain(world, "one", memory)
    plain(world, "two", memory)
    promised(world)
    assert await finds_moves(world) is not calm
    assert is_calm(world.objects) is calm


def test_a_host_that_just_became_short_is_looked_at_until_it_has_been_for_long(world: BalancedWorld) -> None:
    world.learn()
    assert is_calm(world.objects)
    world.short_of("h1")
    world.learn()
    assert not is_calm(world.objects)


def test_a_rule_or_a_migration_is_no_calm(world: BalancedWorld) -> None:
    world.vm("web")
    world.ask("by-hand")
    world.learn()
    assert not is_calm(world.objects)
    world.says("by-hand", finishedAt="2026-11-01T10:00:00Z")
    world.learn()
    assert is_calm(world.objects)
    world.web("web-1")
    world.learn()
    assert not is_calm(world.objects)


def test_a_vm_that_cannot_be_read_may_have_all_of_its_host(world: BalancedWorld) -> None:
    world.vm("web")
    live = world.live("web")
    world.api.put({**live, "spec": {**live["spec"], "cpu": "many"}})
    world.learn()
    assert world.objects.get(VirtualMachine, "a/web") is None
    assert not is_calm(world.objects)
