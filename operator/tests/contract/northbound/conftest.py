"""A real northbound database (and northd, where a test asks for it) for each test."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from quantix_lab.ovn_central import OvnCentral, running_central, running_northbound
from quantix_operator.clients.ovn_nb import Northbound

CLUSTER = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A directory whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="nb") as path:
        yield Path(path)


@pytest.fixture
def database(short_directory: Path) -> Iterator[OvnCentral]:
    with running_northbound(short_directory) as central:
        yield central


@pytest.fixture
def central(short_directory: Path) -> Iterator[OvnCentral]:
    with running_central(short_directory) as central:
        yield central


@asynccontextmanager
async def connected(remote: str) -> AsyncIterator[Northbound]:
    """A client that is connected, until the end of the block."""
    client = Northbound(remote, CLUSTER)
    task = asyncio.create_task(client.run())
    try:
        await asyncio.wait_for(client.connected.wait(), 10)
        yield client
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def northbound(database: OvnCentral) -> AsyncIterator[Northbound]:
    async with connected(database.northbound) as client:
        yield client


@pytest.fixture
def short_directory_pair() -> Iterator[tuple[OvnCentral, OvnCentral]]:
    """Two northbound databases: the one that is lost, and the one that replaces it."""
    with tempfile.TemporaryDirectory(prefix="nb") as one, tempfile.TemporaryDirectory(prefix="nb") as two:
        with running_northbound(Path(one)) as old, running_northbound(Path(two)) as new:
            yield old, new
