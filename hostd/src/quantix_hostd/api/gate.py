"""Who may keep a connection to hostd's TLS door open: so many, and only with something to say.

Used by `server` in front of aiohttp, which has no bound of its own. A connection that is refused or dropped
costs its peer a try, and hostd nothing: its memory and descriptors are for its guests.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network, ip_address

import structlog

_AT_ONCE = 512
_AT_ONCE_PER_PEER = 128
# an open screen takes a second descriptor, and half of all are for hostd's own work
_DESCRIPTORS_PER_CONNECTION = 4
# RFC 4291, section 2.5.1: whoever has one IPv6 address has its /64
_PEER_PREFIX = 64
_HANDSHAKE_S = 10.0
_HEAD_S = 10.0
_HEAD_BYTES = 32 * 1024
_BACKLOG = 128
_RETRY_S = 1.0

log = structlog.get_logger(__name__)

ProtocolFactory = Callable[[], asyncio.Protocol]


class Gate:
    """Accepts connections for `served`, the protocols of an HTTP server."""

    def __init__(self, served: ProtocolFactory, *, head_s: float = _HEAD_S) -> None:
        self._served = served
        self._head_s = head_s
        self._peers: Counter[str] = Counter()
        at_once = connections_at_once(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self._room = asyncio.Semaphore(at_once)
        self._per_peer = min(_AT_ONCE_PER_PEER, max(1, at_once // 4))
        self._handshakes: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None

    def open(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        """Accept on a bound socket until `close`. Who comes when all room is taken waits in its backlog."""
        listener.listen(_BACKLOG)
        listener.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(listener, context), name="tls")

    async def close(self) -> None:
        """Accept no more, and end what is still being greeted; the connections behind it belong to the HTTP
        server.
        """
        ending = {task for task in (self._accepting, *self._handshakes) if task is not None}
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)

    async def _accept(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._room.acquire()
            try:
                connection, address = await loop.sock_accept(listener)
            except OSError as error:
                self._room.release()
                log.warning("no connection accepted", error=str(error))
                await asyncio.sleep(_RETRY_S)
                continue
            except asyncio.CancelledError:
                self._room.release()
                raise
            self._begin(connection, peer_of(str(address[0])), context)

    def _begin(self, connection: socket.socket, peer: str, context: ssl.SSLContext) -> None:
        if self._peers[peer] >= self._per_peer:
            connection.close()
            self._room.release()
            return
        self._peers[peer] += 1
        task = asyncio.create_task(self._greet(connection, peer, context))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _greet(self, connection: socket.socket, peer: str, context: ssl.SSLContext) -> None:
        protocol = _Guarded(self._served(), self._head_s, lambda: self._left(peer))
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol, connection, ssl=context, ssl_handshake_timeout=_HANDSHAKE_S
            )
        except OSError as error:
            log.debug("no TLS with a peer", peer=peer, error=str(error))
            _turn_away(connection, protocol)
        except BaseException:
            _turn_away(connection, protocol)
            raise

    def _left(self, peer: str) -> None:
        self._peers[peer] -= 1
        self._peers += Counter()  # drops those that have none
        self._room.release()


def connections_at_once(descriptors: int) -> int:
    """How many connections are served at once by a process that may open so many files."""
    return min(_AT_ONCE, max(1, descriptors // _DESCRIPTORS_PER_CONNECTION))


def peer_of(address: str) -> str:
    """Whose share of connections an address counts for: itself, or its network where one may have many."""
    peer = ip_address(address)
    if not isinstance(peer, IPv6Address):
        return address
    if peer.ipv4_mapped is not None:
        return str(peer.ipv4_mapped)
    return str(IPv6Network((int(peer), _PEER_PREFIX), strict=False))


class _Guarded(asyncio.Protocol):
    """Hands everything on to `served`, and drops a connection that has said no whole head in `head_s`."""

    def __init__(self, served: asyncio.Protocol, head_s: float, left: Callable[[], None]) -> None:
        self._served = served
        self._head_s = head_s
        self._left: Callable[[], None] | None = left
        self._head = b""
        self._late: asyncio.TimerHandle | None = None

    def leave(self) -> None:
        """Give the place back, once."""
        if self._left is not None:
            left, self._left = self._left, None
            left()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._late = asyncio.get_running_loop().call_later(self._head_s, transport.abort)
        self._served.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._late is not None:
            self._head += data[:_HEAD_BYTES]
            if b"\r\n\r\n" in self._head or len(self._head) > _HEAD_BYTES:
                # too long a head is refused by the server itself
                self._late.cancel()
                self._late, self._head = None, b""
        self._served.data_received(data)

    def eof_received(self) -> bool | None:
        return self._served.eof_received()

    def pause_writing(self) -> None:
        self._served.pause_writing()

    def resume_writing(self) -> None:
        self._served.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        if self._late is not None:
            self._late.cancel()
        self._served.connection_lost(error)
        self.leave()


def _turn_away(connection: socket.socket, protocol: _Guarded) -> None:
    connection.close()
    protocol.leave()
