"""Asks a pool of which only the key is known, as claims and domains name it.

`bundles` gives it to the VM's reconciler.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from quantix_hostd.claims import CephPool, PoolKey
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.pools import HostPools

T = TypeVar("T")


class Ask(Protocol):
    """Makes a blocking call that looks into a pool."""

    async def __call__(self, pool: PoolKey, call: Callable[[], T]) -> T:
        """What `call` returns, or raises."""


async def in_a_thread(pool: PoolKey, call: Callable[[], T]) -> T:
    """For who may wait for a pool as long as it takes."""
    return await asyncio.to_thread(call)


@dataclass(frozen=True)
class PoolAsks:
    """One for a process."""

    pools: HostPools

    async def __call__(self, pool: PoolKey, call: Callable[[], T]) -> T:
        """As `HostPools.ask`, also of a pool that the API does not have."""
        pools = self.pools
        if isinstance(pool, CephPool):
            await pools.learn(pool)
            return await pools.ask(pools.in_ceph(pool.name), call)
        return await pools.ask(PoolDir(self._name(pool), pool, pools.owner, pools.host), call)

    def _name(self, path: Path) -> str:
        """For sentences."""
        for name, manifest in self.pools.pools.items():
            directory = (manifest.get("spec") or {}).get("dir")
            if directory and Path(directory["path"]) == path:
                return name
        return path.name
