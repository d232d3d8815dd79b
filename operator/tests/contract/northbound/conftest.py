"""A real northbound database (and northd, where a test asks for it) for each test."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from quantix_lab.ovn_central import OvnCentral, running_central, running_northbound
from quantix_operator.clients.ovn_nb import Northbound

from .connection import connected
from .scenario import installation
from .world import World, world


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


@pytest.fixture
async def here(database: OvnCentral) -> AsyncIterator[World]:
    """The first installation, programmed."""
    async with world(database.northbound) as made:
        installation(made)
        await made.settle()
        yield made
