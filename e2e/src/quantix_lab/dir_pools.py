"""The pools of a host that are directories, for tests of what is kept in files."""

from __future__ import annotations

import subprocess
from pathlib import Path

from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.pools import HostPools


def make_disk(pool: Path, handle: str, size: str) -> None:
    """An empty disk of a volume in the directory of a pool, of this many bytes (`64Mi`)."""
    directory = pool / "volumes" / handle
    directory.mkdir(parents=True)
    for path in (pool, pool / "volumes", directory):
        path.chmod(0o711)
    data = directory / "data"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(data), size.rstrip("i")], check=True)
    data.chmod(0o666)


async def dir_pool(pools: HostPools, name: str | None) -> PoolDir:
    """As `HostPools.pool`, of one that is a directory."""
    found = await pools.pool(name)
    assert isinstance(found, PoolDir)
    return found
