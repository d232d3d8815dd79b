"""What happens while the operator is away, between two hosts, and with a host that is slow."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from quantix_api.conditions import condition_of
from quantix_api.resources import HOSTS, STORAGE_POOLS, VIRTUAL_MACHINES, VOLUMES
from quantix_lab.operator_world import OperatorWorld, operator_world, says

pytestmark = pytest.mark.asyncio(loop_scope="module")

SMALL: dict[str, Any] = {
    "cpu": {"cores": 1},
    "memory": {"size": "256Mi"},
    "disks": [{"name": "root", "size": "1Gi", "reclaimPolicy": "Delete"}],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OperatorWorld]:
    """Two hosts, and an operator of our own to stop."""
    async with operator_world(tmp_path_factory.mktemp("pair"), ("h1", "h2")) as made:
        await made.apply(STORAGE_POOLS, "local", {"dir": {"path": "/nowhere"}, "default": True})
        await made.until(STORAGE_POOLS, "local", lambda pool: pool["status"].get("hosts") == 2)
        yield made


async def test_vms_spread_and_stay_with_their_disks(pair: OperatorWorld) -> None:
    space = await pair.namespace("spread")
    for name in ("a", "b"):
        await pair.apply(VIRTUAL_MACHINES, name, SMALL, space)
        await pair.until_ready(name, space)
    a = await pair.admin.get(VIRTUAL_MACHINES, "a", space)
    b = await pair.admin.get(VIRTUAL_MACHINES, "b", space)
    home = a["status"]["assignment"]["host"]
    assert {home, b["status"]["assignment"]["host"]} == {"h1", "h2"}
    assert condition_of(a, "Protected")["reason"] == "LocalStorage"

    await pair.admin.patch(VIRTUAL_MACHINES, "a", {"spec": {"powerState": "Stopped"}}, space)
    await pair.until_ready("a", space, "Stopped")
    await pair.admin.patch(HOSTS, home, {"spec": {"unschedulable": True}})
    await pair.until(HOSTS, home, says("Schedulable", "Cordoned"))
    await pair.admin.patch(VIRTUAL_MACHINES, "a", {"spec": {"powerState": "Running"}}, space)
    waiting = await pair.until_ready("a", space, "NoHostFits")
    assert "1 does not have volume a-root" in condition_of(waiting, "Ready")["message"]
    await pair.admin.patch(HOSTS, home, {"spec": {"unschedulable": False}})
    back = await pair.until_ready("a", space)
    assert back["status"]["assignment"]["host"] == home


async def test_what_happened_while_the_operator_was_away_is_caught_up(pair: OperatorWorld) -> None:
    space = await pair.namespace("away")
    for name in ("goes", "stops", "stays"):
        await pair.apply(VIRTUAL_MACHINES, name, SMALL, space)
        await pair.until_ready(name, space)
    before = await pair.admin.get(VIRTUAL_MACHINES, "stays", space)
    ran = await pair.admin.get(VIRTUAL_MACHINES, "stops", space)
    await pair.stop_operator()
    await pair.apply(VIRTUAL_MACHINES, "comes", SMALL, space)
    await pair.admin.delete(VIRTUAL_MACHINES, "goes", space)
    await pair.admin.patch(VIRTUAL_MACHINES, "stops", {"spec": {"powerState": "Stopped"}}, space)
    await asyncio.sleep(1.0)
    await pair.start_operator()

    await pair.until_ready("comes", space)
    await pair.until_gone(VIRTUAL_MACHINES, "goes", space)
    await pair.until_gone(VOLUMES, "goes-root", space)
    stopped = await pair.until(
        VIRTUAL_MACHINES, "stops", lambda vm: "host" not in vm["status"]["assignment"], space
    )
    assert stopped["status"]["assignment"] == {"epoch": 2, "lastHost": ran["status"]["assignment"]["host"]}
    after = await pair.admin.get(VIRTUAL_MACHINES, "stays", space)
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


@pytest.mark.parametrize("kill_after_s", [0.03, 0.15])
async def test_an_operator_that_is_killed_in_the_middle_of_a_start_goes_on(
    pair: OperatorWorld, kill_after_s: float
) -> None:
    space = await pair.namespace(f"middle-{int(kill_after_s * 1000)}")
    await pair.apply(VIRTUAL_MACHINES, "web-1", SMALL, space)
    await asyncio.sleep(kill_after_s)
    await pair.stop_operator(signal.SIGKILL)
    await pair.start_operator()
    live = await pair.until_ready("web-1", space)
    volumes = await pair.admin.list(VOLUMES, space)
    assert [volume["metadata"]["name"] for volume in volumes.items] == ["web-1-root"]
    assert live["status"]["assignment"]["epoch"] == 1


async def test_a_slow_start_is_hostds_to_tell(pair: OperatorWorld) -> None:
    """QEMU takes 3 s: the operator does not say meanwhile that it starts."""
    space = await pair.namespace("slow")
    version = await pair.admin.latest_version(VIRTUAL_MACHINES, space)
    seen: list[str] = []
    watch = asyncio.create_task(_follow(pair, space, version, seen))
    for host in pair.hosts.values():
        host.start_s = 3.0
    try:
        await pair.apply(VIRTUAL_MACHINES, "web-1", SMALL, space)
        await pair.until_ready("web-1", space)
    finally:
        for host in pair.hosts.values():
            host.start_s = 0.0
    await asyncio.sleep(0.5)
    watch.cancel()
    with suppress(asyncio.CancelledError):
        await watch
    assert seen[-1] == "Running"
    assert "Starting" not in seen


async def _follow(pair: OperatorWorld, namespace: str, version: str, seen: list[str]) -> None:
    async for event in pair.admin.watch(VIRTUAL_MACHINES, namespace, resource_version=version):
        if event.type != "BOOKMARK":
            seen.append(condition_of(event.object, "Ready")["reason"])
