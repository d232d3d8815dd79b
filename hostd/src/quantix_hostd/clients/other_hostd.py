"""Speaks to the hostd of another host about a guest that moves there, by TLS with certificates on both sides.

Used by the migration part. Whoever answers must prove to be the host of that name.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from quantix_api.errors import TransientError
from quantix_api.message_text import cause_of
from quantix_api.messages import as_error
from quantix_hostd.clients.libvirt_relay import Pieces, Send

Trust = Callable[[], Awaitable[ssl.SSLContext]]
_CONNECT_S = 5.0
_ANSWER_S = 30.0
# of libvirt, with room for what both sides add
_MOST_BYTES = 33 * 1024 * 1024


class OtherHostd:
    """The one at `address` (HOST:PORT), which is `host`; `trust` makes the context of a connection."""

    def __init__(self, host: str, address: str, trust: Trust) -> None:
        self._host = host
        self._address = address
        self._trust = trust

    async def connect_libvirt(
        self, migration: str, sender: str
    ) -> tuple[Pieces, Send, Callable[[], Awaitable[None]]]:
        """A way into its libvirtd for this migration (UID), whose guest is sent from the address `sender`:
        what comes, how to send, how to close.

        Raises TransientError (TargetFailed).
        """
        session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_S))
        try:
            async with asyncio.timeout(_ANSWER_S):
                socket = await session.ws_connect(
                    self._url(f"/v1/migrations/{migration}/libvirt").with_query({"from": sender}),
                    ssl=await self._trust(),
                    server_hostname=self._host,
                    max_msg_size=_MOST_BYTES,
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            await session.close()
            raise self._failed(error) from error
        return _pieces(socket), socket.send_bytes, session.close

    async def switching(self, migration: str, epoch: int) -> None:
        """Tell it that the guest is about to stop here, before all its memory is there: it may go on there
        once the claims say so, under `epoch`; 0: it is not, after all. Raises TransientError.
        """
        await self._say(migration, "switching", epoch)

    async def handed_over(self, migration: str, epoch: int) -> None:
        """Tell it that the guest is its own now, and wait until it runs there. Raises TransientError."""
        await self._say(migration, "handed-over", epoch)

    async def _say(self, migration: str, what: str, epoch: int) -> None:
        async with self._session() as session:
            try:
                async with asyncio.timeout(_ANSWER_S):
                    answer = await session.post(
                        self._url(f"/v1/migrations/{migration}/{what}"),
                        json={"epoch": epoch},
                        ssl=await self._trust(),
                        server_hostname=self._host,
                    )
                    if answer.status != 200:
                        said = (await answer.text())[:300]
                        raise self._failed(f"{answer.status} {said}")
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise self._failed(error) from error

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S, connect=_CONNECT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            yield session

    def _url(self, path: str) -> URL:
        return URL.build(scheme="https", authority=self._address, path=path)

    def _failed(self, error: Exception | str) -> TransientError:
        said = cause_of(str(error)) or type(error).__name__
        return as_error(TransientError, "TargetFailed", deaf=self._host, said=said)


async def _pieces(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[bytes]:
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.BINARY:
            return
        yield message.data
