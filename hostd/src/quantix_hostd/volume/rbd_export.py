"""Brings a disk from a pool in Ceph into a file of this host. Used by `disk_file`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from quantix_api.errors import PermanentError, TransientError
from quantix_api.messages import as_error
from quantix_hostd.claims import CephPool, VolumePlace
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.qemu_img import Disk
from quantix_hostd.clients.qemu_rbd import DiskFileEnd, convert
from quantix_hostd.clients.rbd_snapshots import bytes_at, image_at
from quantix_hostd.copy_bounds import copy_bounds


class RbdExport:
    """One for a process. `pool_of` tells the pool of the StoragePool with a name."""

    def __init__(self, pool_of: Callable[[str], PoolRbd]) -> None:
        self._pool_of = pool_of

    async def size_bytes(self, source: VolumePlace) -> int:
        """Raises TransientError (DataMissing, PoolUnreachable)."""
        found = await asyncio.to_thread(bytes_at, self._pool(source), source)
        if found is None:
            raise as_error(TransientError, "DataMissing", place=source.shown)
        return found

    async def fill(self, made: Disk, source: VolumePlace) -> None:
        """Write all that the disk shows into a blank file that is as large. Raises QuantixError."""
        pool = self._pool(source)
        if made.passphrase:
            raise as_error(PermanentError, "ConfigRefused", pool=pool.name, path="spec.encryption")
        size_bytes = await self.size_bytes(source)
        end = DiskFileEnd(made.path, made.driver)
        image = await asyncio.to_thread(image_at, pool, source)
        await convert(image, end, copy_bounds(size_bytes, size_bytes).wall_s)

    def _pool(self, place: VolumePlace) -> PoolRbd:
        assert isinstance(place.pool, CephPool)
        return self._pool_of(place.pool.name)
