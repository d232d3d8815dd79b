"""Puts our tables into the host's packet filter, and opens the ports where QEMU receives to hosts that send.

Used by `host.network.controller` at each look, and by hostd's API while another host sends a guest. One look
and the next are 30 s apart, and a guest that comes waits for none of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog

from quantix_api.errors import QuantixError, TransientError
from quantix_api.messages import as_error
from quantix_hostd.clients.nft import NftClient
from quantix_hostd.host.network.model import NetworkSpec
from quantix_hostd.host.network.plan import plan_packet_filter

_FIRST_LOOK_S = 20.0

log = structlog.get_logger(__name__)


class HostDoor:
    """One for a process. What an earlier one let in is closed by the first look; connections stay."""

    def __init__(self, nft: NftClient) -> None:
        self._nft = nft
        self._spec: NetworkSpec | None = None
        self._seen = asyncio.Event()
        self._senders: Counter[str] = Counter()
        self._lock = asyncio.Lock()

    def want(self, spec: NetworkSpec) -> None:
        """From now on the tables are to be as `spec` says, but for its senders."""
        self._spec = spec
        self._seen.set()

    def with_senders(self, spec: NetworkSpec) -> NetworkSpec:
        """`spec`, with those who send at this moment."""
        return replace(spec, senders=frozenset(self._senders))

    async def put(self) -> None:
        """Make the tables what was wanted last, for those who send now. Raises TransientError."""
        async with self._lock:
            if self._spec is None:
                return
            spec = self.with_senders(self._spec)
            for action in plan_packet_filter(spec, await self._nft.our_tables()):
                await self._nft.replace_our_tables(action.text)
                log.info("network changed", action=type(action).__name__, text=action.text)

    @asynccontextmanager
    async def open_to(self, address: str) -> AsyncIterator[None]:
        """Guests may come from `address` until this ends; what has begun by then goes on.

        Raises TransientError (NetworkDown) when the packet filter cannot be changed.
        """
        await self._first_look()
        self._senders[address] += 1
        try:
            await self.put()
            yield
        finally:
            self._senders[address] -= 1
            self._senders += Counter()
            await self._close()

    async def _first_look(self) -> None:
        try:
            async with asyncio.timeout(_FIRST_LOOK_S):
                await self._seen.wait()
        except TimeoutError:
            said = "it has not looked at its network yet"
            raise as_error(TransientError, "NetworkDown", process="hostd", said=said) from None

    async def _close(self) -> None:
        try:
            await self.put()
        except QuantixError as error:
            # the next look does it
            log.warning("packet filter not as it should be", reason=error.reason, error=str(error))
