"""Does a guest answer on a TCP port? Asked by the VM's reconciler where spec.readiness says so."""

from __future__ import annotations

import asyncio

_TIMEOUT_S = 1.0


async def answers_on_tcp(address: str, port: int, timeout_s: float = _TIMEOUT_S) -> bool:
    """Whether a connection is accepted within `timeout_s`; nothing is sent or read."""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
