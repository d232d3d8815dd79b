"""A client of the tests' northbound database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from quantix_operator.clients.ovn_nb import Northbound

CLUSTER = "11111111-1111-4111-8111-111111111111"


@asynccontextmanager
async def connected(remote: str) -> AsyncIterator[Northbound]:
    """A client that is connected, until the end of the block."""
    client = Northbound(remote, CLUSTER)
    task = asyncio.create_task(client.run())
    try:
        async with asyncio.timeout(10):
            await client.connected.wait()
        yield client
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
