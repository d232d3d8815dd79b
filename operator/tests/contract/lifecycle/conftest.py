"""One world for all tests of this folder: a control plane and an operator take seconds to start.

Tests keep apart by namespaces and names of their own.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from quantix_api.resources import STORAGE_POOLS, VIRTUAL_MACHINES
from quantix_lab.operator_world import OperatorWorld, operator_world, says


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OperatorWorld]:
    async with operator_world(tmp_path_factory.mktemp("operator")) as made:
        await made.apply(STORAGE_POOLS, "local", {"dir": {"path": "/nowhere"}, "default": True})
        await made.until(STORAGE_POOLS, "local", says("Ready", "Reachable"))
        yield made


@pytest_asyncio.fixture(loop_scope="package")
async def namespace(world: OperatorWorld) -> AsyncIterator[str]:
    """What is left of the VMs in it, and in others that begin with its name, takes no room of later tests."""
    name = await world.namespace(f"ns-{uuid.uuid4().hex[:8]}")
    yield name
    for vm in (await world.admin.list(VIRTUAL_MACHINES)).items:
        about = vm["metadata"]
        if about["namespace"].startswith(name):
            await world.admin.delete(VIRTUAL_MACHINES, about["name"], about["namespace"])
