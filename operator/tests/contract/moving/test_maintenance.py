"""Hosts in maintenance on the real API server: emptied by migrations, or by their daemon, and open again."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.conditions import condition_of
from quantix_api.resources import HOSTS, VIRTUAL_MACHINE_MIGRATIONS, VIRTUAL_MACHINES
from quantix_client.api import Manifest
from quantix_lab.operator_world import OperatorWorld, says

pytestmark = pytest.mark.asyncio(loop_scope="package")


def small(**spec: Any) -> dict[str, Any]:
    usual = {"cpu": {"cores": 1}, "memory": {"size": "256Mi"}, "placement": {"hostSelector": {}}}
    return {**usual, "disks": [{"name": "root", "size": "1Gi", "reclaimPolicy": "Delete"}], **spec}


async def maintain(world: OperatorWorld, host: str, *, wanted: bool) -> None:
    await world.admin.patch(HOSTS, host, {"spec": {"maintenance": wanted}})


async def test_a_host_in_maintenance_is_emptied_and_opens_again(world: OperatorWorld, namespace: str) -> None:
    for name, policy in (("web-1", "Migrate"), ("web-2", "Migrate"), ("db-1", "Stop")):
        await world.apply(VIRTUAL_MACHINES, name, small(migration={"onMaintenance": policy}), namespace)
        await world.until_ready(name, namespace)
    host = (await world.admin.get(VIRTUAL_MACHINES, "db-1", namespace))["status"]["assignment"]["host"]
    try:
        await maintain(world, host, wanted=True)
        drained = await world.until(HOSTS, host, says("Drained", "Empty"))
        assert condition_of(drained, "Drained")["status"] == "True"

        def elsewhere(vm: Manifest) -> bool:
            return vm["status"]["assignment"].get("host") not in (None, host)

        for name in ("web-1", "web-2"):
            moved = await world.until(VIRTUAL_MACHINES, name, elsewhere, namespace)
            assert moved["spec"]["powerState"] == "Running"
        stopped = await world.admin.get(VIRTUAL_MACHINES, "db-1", namespace)
        assert "host" not in stopped["status"]["assignment"], "its disk is here, so it waits for this host"
        assert stopped["spec"]["powerState"] == "Running"
        made = (await world.admin.list(VIRTUAL_MACHINE_MIGRATIONS, namespace)).items
        assert "db-1" not in {item["spec"]["virtualMachine"] for item in made}
        assert all(item["status"]["sourceHost"] == host for item in made)
    finally:
        await maintain(world, host, wanted=False)
    opened = await world.until(HOSTS, host, says("Schedulable", "Open"))
    assert condition_of(opened, "Drained") == {}
    back = await world.until_ready("db-1", namespace)
    assert back["status"]["assignment"]["host"] == host


async def test_what_does_not_leave_is_named_with_why(world: OperatorWorld, namespace: str) -> None:
    await world.apply(VIRTUAL_MACHINES, "web-1", small(migration={"onMaintenance": "Block"}), namespace)
    vm = await world.until_ready("web-1", namespace)
    host = vm["status"]["assignment"]["host"]
    try:
        await maintain(world, host, wanted=True)
        blocked = await world.until(HOSTS, host, says("Drained", "Blocked"))
        assert condition_of(blocked, "Drained")["message"].startswith(
            "web-1 does not leave it: Its migration.onMaintenance is Block (PolicyBlock)."
        )
        await world.apply(VIRTUAL_MACHINE_MIGRATIONS, "by-hand", {"virtualMachine": "web-1"}, namespace)
        await world.until(HOSTS, host, says("Drained", "Empty"))
    finally:
        await maintain(world, host, wanted=False)
