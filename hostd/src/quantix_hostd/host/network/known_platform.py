"""What this host knows of the platform's addresses: those of all hosts as the operator hands them on, which
is watched, and what names lead to.

Made by `bundles_of_network`, asked by `host.network.controller` at a look.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from quantix_api.platform_addresses import address_in, handed
from quantix_client.clock import Clock, SystemClock
from quantix_hostd.platform_addresses import monitors_of

# looks are 30 s apart, and more often when much changes
_RESOLVED_FOR_S = 20.0
# the operator tells it seconds after the first host told its own addresses
_TOLD_WITHIN_S = 15.0

Objects = Mapping[str, Mapping[str, Any]]


class Platform:
    """One for a process. `told` has the operator's object once it is known; `pools` are all StoragePools;
    `doors` tells the addresses, or names, of what this host cannot do without, and `resolve` the addresses of
    a name.
    """

    def __init__(
        self,
        told: Objects,
        pools: Objects,
        doors: Callable[[], Iterable[str]],
        resolve: Callable[[str], Awaitable[Iterable[str]]],
        clock: Clock | None = None,
    ) -> None:
        self._told, self._pools, self._doors, self._resolve = told, pools, doors, resolve
        self._clock = clock or SystemClock()
        self._hosts: frozenset[str] | None = None
        self._named: dict[str, frozenset[str]] = {}
        self._resolved_s = -math.inf
        self._since_s = self._clock.monotonic()

    def is_missed(self) -> bool:
        """Whether the operator's object was not there for longer than a new host waits for it."""
        return self._hosts is None and self._clock.monotonic() - self._since_s > _TOLD_WITHIN_S

    async def addresses(self) -> frozenset[str] | None:
        """All that are known, None before the operator's object was read for the first time. What was known
        stays so where it is gone, and while a name leads nowhere.
        """
        if self._clock.monotonic() - self._resolved_s >= _RESOLVED_FOR_S:
            wanted = {*self._doors(), *monitors_of(self._pools.values())}
            self._named = {name: await self._addresses_of(name) for name in sorted(wanted)}
            self._resolved_s = self._clock.monotonic()
        for found in self._told.values():
            self._hosts = handed(found)
        return None if self._hosts is None else self._hosts.union(*self._named.values())

    async def _addresses_of(self, name: str) -> frozenset[str]:
        try_first = address_in(name)
        found = {try_first} if try_first else {address_in(each) for each in await self._resolve(name)}
        return frozenset(found - {""}) or self._named.get(name, frozenset())
