"""The API server killed under a leading operator, for a moment and for longer than leadership lasts."""

from __future__ import annotations

import asyncio
from pathlib import Path

from quantix_client.api import ApiClient
from quantix_lab.control_plane import ControlPlane
from quantix_lab.operator_process import OperatorProcess, becomes_ready


async def test_an_operator_ends_when_it_cannot_renew_and_the_next_one_goes_on_when_the_api_is_back(
    plane: ControlPlane, admin: ApiClient, tmp_path: Path
) -> None:
    with OperatorProcess(tmp_path / "one", plane.operator_kubeconfig) as operator:
        await asyncio.to_thread(operator.wait_for_log, "leadership acquired")
        await becomes_ready(admin, "before", 5)
        await asyncio.to_thread(plane.kill9)
        assert await asyncio.to_thread(operator.wait_for_end, timeout_s=15) == 1
        assert any("LeadershipLost" in line for line in operator.lines())

        # Whoever supervises it starts it anew: it waits for the API without ending again
        with OperatorProcess(tmp_path / "two", plane.operator_kubeconfig) as following:
            await asyncio.to_thread(following.wait_for_log, "waiting for the API")
            await asyncio.sleep(2)
            await asyncio.to_thread(plane.start)
            await asyncio.to_thread(following.wait_for_log, "leadership acquired")
            await becomes_ready(admin, "after", 5)
            assert await asyncio.to_thread(following.stop) == 0


async def test_a_standby_stays_through_an_outage_and_its_watches_go_on(
    plane: ControlPlane, admin: ApiClient, tmp_path: Path
) -> None:
    """It has no leadership to lose. Its watches must tell what happens after the outage."""
    leader = OperatorProcess(tmp_path / "one", plane.operator_kubeconfig)
    standby = OperatorProcess(tmp_path / "two", plane.operator_kubeconfig)
    with leader:
        await asyncio.to_thread(leader.wait_for_log, "leadership acquired")
        with standby:
            await asyncio.to_thread(standby.wait_for_log, "operator started")
            await asyncio.to_thread(standby.wait_for_answer, "/readyz", "ok")
            await asyncio.to_thread(plane.kill9)
            await asyncio.to_thread(leader.kill9)
            await asyncio.sleep(1)
            await asyncio.to_thread(plane.start)
            await asyncio.to_thread(standby.wait_for_log, "leadership acquired")
            # what only the next full list told would be called missed
            await becomes_ready(admin, "later", 20)
            assert await asyncio.to_thread(standby.stop) == 0
            assert not any("missed" in line for line in standby.lines())
