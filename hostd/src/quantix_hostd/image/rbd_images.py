"""Takes images that were received for a pool in Ceph there. Used by the image part through `Receiving`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.pool_dir import remove_tree
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.qemu_img import Disk
from quantix_hostd.clients.rbd_import import RbdImport
from quantix_hostd.thread_calls import to_the_end
from quantix_hostd.transfer.received import Received


class RbdImages:
    """One for a process."""

    def __init__(self, importer: RbdImport, cluster_uid: Callable[[], str]) -> None:
        self._importer = importer
        self._cluster_uid = cluster_uid

    async def keep(self, pool: Pool, uid: str, received: Received) -> None:
        """Make the image of the file, which goes; a file in a `dir` pool is the image. A crash leaves either
        the whole image or the file. Raises QuantixError and OSError.
        """
        if not isinstance(pool, PoolRbd):
            return
        facts, file = received.facts, pool.staging.image(uid)
        source = Disk(pool.staging.path, file, facts.format.driver)
        await asyncio.to_thread(pool.remove_draft, uid)
        try:
            await self._importer.fill(pool, pool.draft(uid), source, facts.virtual_size_bytes)
            told = {
                "format": str(facts.format),
                "size": str(facts.virtual_size_bytes),
                "checksum": received.checksum,
            }
            await to_the_end(lambda _: pool.publish_image(uid, told, self._cluster_uid()))
        finally:
            await asyncio.to_thread(pool.remove_draft, uid)
        await asyncio.to_thread(remove_tree, file)
