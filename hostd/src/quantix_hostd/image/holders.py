"""What this host knows of the copies that others have: their Hosts, read when somebody wants an image.

Used by the image controller and `intake`. They are listed, not watched: most hosts never need it, and those
of a large cluster would hear every change of each other.
"""

from __future__ import annotations

import asyncio
import math
from typing import Protocol

import structlog

from quantix_api import Image
from quantix_api.resources import HOSTS, Resource
from quantix_client.api import ListResult
from quantix_client.clock import Clock, SystemClock
from quantix_client.errors import ApiError
from quantix_hostd.peers import Holder, Peer, holder_of, peers_with

_KNOWN_FOR_S = 5.0

log = structlog.get_logger(__name__)


class Lister(Protocol):
    """The one verb of the API that is needed here."""

    async def list(self, resource: Resource) -> ListResult: ...


class Holders:
    """One for a process, which runs on `host`."""

    def __init__(self, api: Lister, host: str, clock: Clock | None = None) -> None:
        self.api, self._host = api, host
        self._clock = clock or SystemClock()
        self._asking = asyncio.Lock()
        self._known: tuple[Holder, ...] | None = None
        self._read_s = -math.inf

    async def of(self, image: Image) -> tuple[Peer, ...]:
        """The other hosts that have it, in the order in which they are to be asked. What was known stays so
        while the API is away; raises ApiError where nothing was.
        """
        if not image.status.checksum:
            # nobody can have what was not checked yet
            return ()
        async with self._asking:
            if self._clock.monotonic() - self._read_s >= _KNOWN_FOR_S:
                await self._read()
        return peers_with(image, self._known or (), self._host)

    async def _read(self) -> None:
        try:
            listed = await self.api.list(HOSTS)
        except ApiError as error:
            if self._known is None:
                raise
            log.warning("hosts not listed", reason=error.reason, error=str(error))
        else:
            self._known = tuple(holder_of(item) for item in listed.items)
        self._read_s = self._clock.monotonic()
