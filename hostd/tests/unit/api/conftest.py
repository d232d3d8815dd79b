"""hostd's API without a network: a backend on files, and a client of all routes."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from quantix_hostd.api.server import build_app
from quantix_lab.api_world import ApiWorld


@pytest.fixture
async def world() -> AsyncIterator[ApiWorld]:
    with tempfile.TemporaryDirectory(prefix="qx") as root:
        made = ApiWorld(Path(root))
        yield made
        await made.consoles.close()


@pytest.fixture
async def client(world: ApiWorld) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    async with TestClient(TestServer(build_app(world.backend, world.guard))) as opened:
        yield opened
