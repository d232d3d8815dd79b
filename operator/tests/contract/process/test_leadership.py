"""Two operators: one leads, and the other takes over when it is killed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from quantix_api.resources import CLUSTER_CONFIG_MAP, CONFIG_MAPS, INSTANCE_TYPES, NAMESPACE_SYSTEM
from quantix_client.api import ApiClient
from quantix_client.errors import NotFound
from quantix_lab.control_plane import ControlPlane
from quantix_lab.operator_process import OperatorProcess, becomes_ready

_LEADS = "leadership acquired"


async def _leads(first: OperatorProcess, second: OperatorProcess) -> tuple[OperatorProcess, OperatorProcess]:
    """(leader, standby), both with a full cache."""
    async with asyncio.timeout(40):
        while True:
            leading = [item for item in (first, second) if any(_LEADS in line for line in item.lines())]
            if leading:
                return (first, second) if leading[0] is first else (second, first)
            await asyncio.sleep(0.1)


async def test_a_standby_decides_within_eight_seconds_after_the_leader_was_killed(
    plane: ControlPlane, admin: ApiClient, tmp_path: Path
) -> None:
    first = OperatorProcess(tmp_path / "one", plane.operator_kubeconfig)
    second = OperatorProcess(tmp_path / "two", plane.operator_kubeconfig)
    with first, second:
        leader, standby = await _leads(first, second)
        await becomes_ready(admin, "small", 5)
        uid = (await admin.get(CONFIG_MAPS, CLUSTER_CONFIG_MAP, NAMESPACE_SYSTEM))["data"]["uid"]
        await asyncio.to_thread(leader.wait_for_answer, "/healthz", "ok")
        await asyncio.to_thread(leader.wait_for_answer, "/metrics", "quantix_operator_leader 1.0")
        await asyncio.to_thread(standby.wait_for_answer, "/readyz", "ok")
        await asyncio.to_thread(standby.wait_for_answer, "/metrics", "quantix_operator_leader 0.0")

        began = time.monotonic()
        await asyncio.to_thread(leader.kill9)
        await becomes_ready(admin, "large", 8)
        assert time.monotonic() - began < 8

        same = (await admin.get(CONFIG_MAPS, CLUSTER_CONFIG_MAP, NAMESPACE_SYSTEM))["data"]["uid"]
        assert same == uid
        assert await asyncio.to_thread(standby.stop) == 0


async def test_a_leader_that_is_asked_to_stop_gives_way_at_once(
    plane: ControlPlane, admin: ApiClient, tmp_path: Path
) -> None:
    first = OperatorProcess(tmp_path / "one", plane.operator_kubeconfig)
    second = OperatorProcess(tmp_path / "two", plane.operator_kubeconfig)
    with first, second:
        leader, standby = await _leads(first, second)
        await asyncio.to_thread(standby.wait_for_log, "operator started")
        assert await asyncio.to_thread(leader.stop) == 0
        began = time.monotonic()
        await asyncio.to_thread(standby.wait_for_log, _LEADS)
        assert time.monotonic() - began < 4


async def test_kopf_tells_deletions_and_changes_at_once_and_writes_nothing(
    plane: ControlPlane, admin: ApiClient, tmp_path: Path
) -> None:
    with OperatorProcess(tmp_path / "one", plane.operator_kubeconfig) as operator:
        await asyncio.to_thread(operator.wait_for_log, _LEADS)
        await becomes_ready(admin, "medium", 5)
        live = await admin.get(INSTANCE_TYPES, "medium")
        assert "finalizers" not in live["metadata"]
        assert "annotations" not in live["metadata"]
        managers = {entry["manager"] for entry in live["metadata"]["managedFields"]}
        assert managers == {"test", "quantix-operator"}
        await admin.delete(INSTANCE_TYPES, "medium", uid=live["metadata"]["uid"])
        with pytest.raises(NotFound):
            await admin.get(INSTANCE_TYPES, "medium")
        left = len((await admin.list(INSTANCE_TYPES)).items)
        gone = f'quantix_operator_objects{{phase="",resource="instancetypes"}} {left}.0'
        await asyncio.to_thread(operator.wait_for_answer, "/metrics", gone, timeout_s=5.0)
