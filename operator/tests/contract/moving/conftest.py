"""Three hosts, so that what moves has a choice; one world for all tests of this folder."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from quantix_api.resources import HOSTS, STORAGE_POOLS
from quantix_lab.operator_world import OperatorWorld, operator_world, says


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OperatorWorld]:
    hosts = ("h1", "h2", "h3")
    async with operator_world(tmp_path_factory.mktemp("operator"), hosts) as made:
        await made.apply(STORAGE_POOLS, "local", {"dir": {"path": "/nowhere"}, "default": True})
        for host in hosts:
            await made.until(HOSTS, host, says("Schedulable", "Open"))
        await made.until(STORAGE_POOLS, "local", says("Ready", "Reachable"))
        yield made


@pytest_asyncio.fixture(loop_scope="package")
async def namespace(world: OperatorWorld) -> str:
    return await world.namespace(f"ns-{uuid.uuid4().hex[:8]}")
