"""The pools of a host that are directories, for tests of what is kept in files."""

from __future__ import annotations

from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.pools import HostPools


async def dir_pool(pools: HostPools, name: str | None) -> PoolDir:
    """As `HostPools.pool`, of one that is a directory."""
    found = await pools.pool(name)
    assert isinstance(found, PoolDir)
    return found
