"""What this host knows of the platform's addresses: the Hosts are listed at a look, as in `image.holders`.

Made by `bundles`, asked by `host.network.controller`. A host that joins is known at the next look that is
more than a moment after the last, so within a minute.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

import structlog

from quantix_api.resources import HOSTS, Resource
from quantix_client.api import ListResult
from quantix_client.clock import Clock, SystemClock
from quantix_client.errors import ApiError
from quantix_hostd.platform_addresses import address_in, addresses_of_hosts, monitors_of

# looks are 30 s apart, and more often when much changes
_KNOWN_FOR_S = 20.0
# the look waits for it
_PATIENCE_S = 3.0

log = structlog.get_logger(__name__)


class Lister(Protocol):
    """The one verb of the API that is needed here."""

    async def list(self, resource: Resource) -> ListResult: ...


class Platform:
    """One for a process. `pools` are all StoragePools; `doors` tells the addresses, or names, of what this
    host cannot do without, and `resolve` the addresses of a name.
    """

    def __init__(
        self,
        api: Lister,
        pools: Mapping[str, Mapping[str, Any]],
        doors: Callable[[], Iterable[str]],
        resolve: Callable[[str], Awaitable[Iterable[str]]],
        clock: Clock | None = None,
    ) -> None:
        self._api, self._pools, self._doors, self._resolve = api, pools, doors, resolve
        self._clock = clock or SystemClock()
        self._hosts: frozenset[str] | None = None
        self._named: dict[str, frozenset[str]] = {}
        self._read_s = -math.inf

    async def addresses(self) -> frozenset[str] | None:
        """All that are known, None before the Hosts were read for the first time. What was known stays so
        while it cannot be read.
        """
        if self._clock.monotonic() - self._read_s >= _KNOWN_FOR_S:
            await self._read()
        if self._hosts is None:
            return None
        return self._hosts.union(*self._named.values())

    async def _read(self) -> None:
        wanted = {*self._doors(), *monitors_of(self._pools.values())}
        self._named = {name: await self._addresses_of(name) for name in sorted(wanted)}
        try:
            async with asyncio.timeout(_PATIENCE_S):
                listed = await self._api.list(HOSTS)
        except (ApiError, TimeoutError) as error:
            log.warning("hosts not listed", error=str(error))
        else:
            self._hosts = addresses_of_hosts(listed.items)
        if self._hosts is not None:
            self._read_s = self._clock.monotonic()

    async def _addresses_of(self, name: str) -> frozenset[str]:
        try_first = address_in(name)
        found = {try_first} if try_first else {address_in(each) for each in await self._resolve(name)}
        return frozenset(found - {""}) or self._named.get(name, frozenset())
