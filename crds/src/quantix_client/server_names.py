"""Looks names of servers up, in threads that nobody waits for.

Used by everybody who connects by name. A look-up cannot be broken off, and a name server that is silent keeps
it for half a minute: in the threads of the event loop or of a pool, which are joined at the end of the
process, it would hold that up.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

_AT_ONCE = 32

_Found = list[tuple[Any, ...]]


class ServerNames(AbstractResolver):
    """One for each event loop that connects; at most 32 look-ups go on at once, further ones wait."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """All addresses of a name. Raises OSError when there are none, or no thread to ask in."""
        await self._turns.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_Found] = loop.create_future()

        def end(found: _Found, error: Exception | None) -> None:
            self._turns.release()
            if answer.done():
                return
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(error)

        def work() -> None:
            found, failed = _Found(), None
            try:
                found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
            except Exception as error:
                failed = error
            with suppress(RuntimeError):  # the loop is closed: nobody waits for it any more
                loop.call_soon_threadsafe(end, found, failed)

        try:
            threading.Thread(target=work, name="server-names", daemon=True).start()
        except RuntimeError as error:
            self._turns.release()
            raise OSError(f"{host} is not looked up: {error}") from error
        return [_result(host, port, entry) for entry in await answer]

    async def close(self) -> None:
        """Nothing is kept."""


def _result(host: str, port: int, entry: tuple[Any, ...]) -> ResolveResult:
    family, _, protocol, _, place = entry
    address = str(place[0])
    if family == socket.AF_INET6 and place[3] and "%" not in address:
        address = f"{address}%{place[3]}"
    return ResolveResult(
        hostname=host, host=address, port=port, family=family, proto=protocol, flags=socket.AI_NUMERICHOST
    )
