"""The balancer on the real API server: what it says of the cluster, and what it makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from quantix_api.conditions import condition_of
from quantix_api.host_labels import HOST_LABEL
from quantix_api.resources import (
    EVENTS,
    LABEL_BALANCER,
    SCHEDULING_POLICIES,
    VIRTUAL_MACHINE_MIGRATIONS,
    VIRTUAL_MACHINES,
    Resource,
)
from quantix_api.times import render_time
from quantix_client.api import Manifest
from quantix_lab.operator_world import OperatorWorld, says

pytestmark = pytest.mark.asyncio(loop_scope="package")
AWAY = {"antiAffinity": [{"vmSelector": {"app": "web"}}]}
ANYWHERE = {"hostSelector": {"quantix.io/arch": "x86_64"}}
ON_H1 = {"hostSelector": {HOST_LABEL: "h1"}}


@pytest_asyncio.fixture(loop_scope="package")
async def policy(world: OperatorWorld) -> AsyncIterator[OperatorWorld]:
    """Off before and after each test, which finds no VM that is to move, and no host that rests after a move,
    of another test.
    """
    await balance(world, "Off")
    for kind in (VIRTUAL_MACHINES, VIRTUAL_MACHINE_MIGRATIONS):
        left = [
            (item["metadata"]["name"], item["metadata"]["namespace"])
            for item in await everywhere(world, kind)
        ]
        for name, namespace in left:
            await world.admin.delete(kind, name, namespace)
        for name, namespace in left:
            await world.until_gone(kind, name, namespace)
    yield world
    await balance(world, "Off")
    for host in world.hosts.values():
        host.pressure = []


async def everywhere(world: OperatorWorld, kind: Resource) -> list[Manifest]:
    return (await world.admin.list(kind)).items


async def balance(world: OperatorWorld, mode: str) -> None:
    await world.apply(SCHEDULING_POLICIES, "default", {"balancer": {"mode": mode}})


def small(name: str, placement: dict[str, Any]) -> Manifest:
    spec = {"cpu": {"cores": 1}, "memory": {"size": "256Mi"}, "placement": placement}
    return {"metadata": {"name": name, "labels": {"app": "web"}}, "spec": spec}


async def declare(world: OperatorWorld, namespace: str, name: str, placement: dict[str, Any]) -> None:
    manifest = small(name, placement)
    manifest["metadata"]["namespace"] = namespace
    await world.admin.apply(VIRTUAL_MACHINES, manifest, manager="kubectl")


async def two_too_near(world: OperatorWorld, namespace: str) -> None:
    """They run on one host, and from then on are to be apart."""
    for name in ("web-1", "web-2"):
        await declare(world, namespace, name, ON_H1)
        await world.until_ready(name, namespace)
    for name in ("web-1", "web-2"):
        await declare(world, namespace, name, AWAY)
        await world.until(VIRTUAL_MACHINES, name, says("PlacementOK", "AntiAffinityBroken"), namespace)


async def migrations(world: OperatorWorld, namespace: str) -> list[Manifest]:
    return (await world.admin.list(VIRTUAL_MACHINE_MIGRATIONS, namespace)).items


async def test_one_move_mends_two_that_are_too_near(policy: OperatorWorld, namespace: str) -> None:
    world = policy
    await two_too_near(world, namespace)
    await balance(world, "Automatic")
    for name in ("web-1", "web-2"):
        await world.until(VIRTUAL_MACHINES, name, says("PlacementOK", "AsAsked"), namespace)
    told = await world.until(SCHEDULING_POLICIES, "default", says("Balanced", "Balanced"))
    assert condition_of(told, "Balanced")["status"] == "True"
    (made,) = await migrations(world, namespace)
    assert made["metadata"]["labels"][LABEL_BALANCER] == "AntiAffinityBroken"
    assert made["status"]["phase"] == "Succeeded"
    assert made["status"]["sourceHost"] == "h1"
    await world.until_event(namespace, "BalancerMoves")


async def test_what_is_recommended_stands_in_the_policy_and_costs_one_write(
    policy: OperatorWorld, namespace: str
) -> None:
    world = policy
    await two_too_near(world, namespace)
    await balance(world, "Recommend")
    told = await world.until(SCHEDULING_POLICIES, "default", says("Balanced", "MovesRecommended"))
    (move,) = told["status"]["moves"]
    assert (move["namespace"], move["sourceHost"], move["reason"]) == (namespace, "h1", "AntiAffinityBroken")
    await asyncio.sleep(3.0)
    later = await world.admin.get(SCHEDULING_POLICIES, "default")
    assert later["metadata"]["resourceVersion"] == told["metadata"]["resourceVersion"]
    assert await migrations(world, namespace) == []
    events = [event["reason"] for event in (await world.admin.list(EVENTS, "default")).items]
    assert "MoveRecommended" in events
    await balance(world, "Off")
    told = await world.until(SCHEDULING_POLICIES, "default", lambda live: not condition_of(live, "Balanced"))
    assert "moves" not in told["status"]


async def test_a_host_that_says_that_it_is_short_is_relieved_once(
    policy: OperatorWorld, namespace: str
) -> None:
    world = policy
    uids = {}
    for name in ("busy", "calm"):
        await declare(world, namespace, name, ON_H1)
        uids[name] = (await world.until_ready(name, namespace))["metadata"]["uid"]
        await declare(world, namespace, name, ANYWHERE)
    since = render_time(datetime.now(UTC) - timedelta(minutes=10))
    for name, host in world.hosts.items():
        host.pressure = [{"resource": "CPU", "level": "Low"}, {"resource": "Memory", "level": "Low"}]
        if name == "h1":
            shares = [{"uid": uids["busy"], "percent": 35}, {"uid": uids["calm"], "percent": 5}]
            host.pressure[0] |= {"level": "High", "since": since, "virtualMachines": shares}
    await balance(world, "Automatic")

    def elsewhere(vm: Manifest) -> bool:
        return vm["status"]["assignment"].get("host") not in (None, "h1")

    await world.until(VIRTUAL_MACHINES, "busy", elsewhere, namespace)
    await world.until(SCHEDULING_POLICIES, "default", says("Balanced", "MovesUnderWay"))
    await asyncio.sleep(3.0)
    (made,) = await migrations(world, namespace)
    assert made["metadata"]["labels"][LABEL_BALANCER] == "CPUPressure"
