"""Instruments made from the table: what a scrape shows of queues, looks and requests."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client import generate_latest

from quantix_api.errors import TransientError, WaitingError
from quantix_api.metric_table_hostd import (
    HOSTD_API_REQUEST_SECONDS,
    HOSTD_API_REQUESTS,
    HOSTD_QUEUE_DEPTH,
    HOSTD_QUEUE_RETRIES,
    HOSTD_RECONCILE_SECONDS,
    HOSTD_RECONCILES,
)
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_client.api import ApiClient
from quantix_client.errors import ApiError, NotFound
from quantix_client.instruments import (
    QueueCollector,
    ReconcileMetrics,
    RequestMetrics,
    new_registry,
    resource_in,
)
from quantix_client.workqueue import WorkQueue
from quantix_lab.clocks import ManualClock
from quantix_lab.fake_api import FakeApi, answering


async def test_looks_are_counted_by_how_they_ended_with_their_time() -> None:
    clock, registry = ManualClock(), new_registry()
    queue = WorkQueue("volumes", clock=clock)
    looks = ReconcileMetrics(HOSTD_RECONCILES, HOSTD_RECONCILE_SECONDS, registry)
    waiting = QueueCollector(HOSTD_QUEUE_DEPTH, HOSTD_QUEUE_RETRIES, registry)
    waiting.queues["volumes"] = queue

    async def work(key: str) -> None:
        if key == "waits":
            raise WaitingError("Creating", "It is being made.", retry_after_s=60)
        if key == "fails":
            raise TransientError("LibvirtDown", "libvirt is away.")
        if key == "slow":
            await clock.sleep(0.05)

    for key in ("waits", "fails", "slow", "good"):
        queue.add(key)
    assert registry.get_sample_value("quantix_hostd_queue_depth", {"kind": "volumes"}) == 4
    task = asyncio.create_task(queue.run(work, on_attempt=looks.observer("volumes")))
    await clock.settle()
    await clock.advance(0.05)
    await clock.settle()
    queue.stop()
    await task
    for result, count in {"waiting": 1, "error": 1, "success": 2}.items():
        labels = {"kind": "volumes", "result": result}
        assert registry.get_sample_value("quantix_hostd_reconciles_total", labels) == count
    seconds = registry.get_sample_value("quantix_hostd_reconcile_duration_seconds_sum", {"kind": "volumes"})
    assert seconds == pytest.approx(0.05)
    assert registry.get_sample_value("quantix_hostd_queue_retries_total", {"kind": "volumes"}) == 1


async def test_requests_are_counted_by_kind_and_answer_and_never_by_name(tmp_path: Path) -> None:
    registry, fake = new_registry(), FakeApi()
    seen = RequestMetrics(HOSTD_API_REQUESTS, HOSTD_API_REQUEST_SECONDS, registry)

    async def ok(request: web.Request) -> web.StreamResponse:
        return web.json_response({"metadata": {}})

    def count(method: str, resource: str, code: str) -> float | None:
        labels = {"method": method, "resource": resource, "code": code}
        return registry.get_sample_value("quantix_hostd_api_requests_total", labels)

    async with fake.server:
        path = fake.write_kubeconfig(tmp_path / "config", token="first")
        async with ApiClient.from_kubeconfig(path, user_agent="test", on_answer=seen) as client:
            fake.script = [answering(404, "NotFound")]
            with pytest.raises(NotFound):
                await client.get(VIRTUAL_MACHINES, "web-1", "default")
            fake.script = [ok]
            vm = {"metadata": {"name": "web-1", "namespace": "default"}}
            await client.apply(VIRTUAL_MACHINES, vm, manager="quantix-hostd", subresource="status")
    async with ApiClient.from_kubeconfig(path, user_agent="test", on_answer=seen) as client:
        with pytest.raises(ApiError):
            await client.create(VIRTUAL_MACHINES, vm)
    assert count("GET", "virtualmachines", "404") == 1
    assert count("PATCH", "virtualmachines/status", "200") == 1
    assert count("POST", "virtualmachines", "0") == 1
    assert b"web-1" not in generate_latest(registry)


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("/apis/quantix.io/v1alpha1/namespaces/blue/virtualmachines/web-1", "virtualmachines"),
        ("/apis/quantix.io/v1alpha1/hosts/h1/status", "hosts/status"),
        ("/api/v1/namespaces/quantix-system/secrets", "secrets"),
        ("/api/v1/namespaces/blue", "namespaces"),
        ("/apis/authorization.k8s.io/v1/subjectaccessreviews", "subjectaccessreviews"),
        ("/apis/x", ""),
        ("/version", ""),
    ],
)
def test_a_path_is_known_by_its_resource(path: str, resource: str) -> None:
    assert resource_in(path) == resource
