"""Does a guest answer on a TCP port? Asked by the VM's reconciler where spec.readiness says so."""

from __future__ import annotations

import asyncio
import socket

_TIMEOUT_S = 1.0


async def answers_on_tcp(address: str, port: int, device: str, timeout_s: float = _TIMEOUT_S) -> bool:
    """Whether a connection is accepted within `timeout_s`; nothing is sent or read.

    It leaves by `device` only (SO_BINDTODEVICE, socket(7)): a guest's address is what its tenant chose, and
    the host's own routes could lead to the host itself or to others that the tenant cannot reach.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
            async with asyncio.timeout(timeout_s):
                await asyncio.get_running_loop().sock_connect(probe, (address, port))
        except (OSError, TimeoutError):
            return False
    return True
