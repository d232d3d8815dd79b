"""Copies of images that other hosts keep: noted as they are begun, removed once the API has their Image no
more.

Used by the image controller. The host of `status.host` hears of a deletion and removes its own files; to
others nobody says it. Only what was noted here goes, and only while no volume stands on it: a file that the
API does not know may be anything.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from quantix_api import Image
from quantix_api.errors import QuantixError
from quantix_api.resources import IMAGES
from quantix_client.clock import Clock, SystemClock
from quantix_hostd.clients.files import explained
from quantix_hostd.clients.pool_dir import PoolDir, remove_tree
from quantix_hostd.clients.sent_files import SentFile, SentFiles
from quantix_hostd.image.holders import Lister
from quantix_hostd.pools import HostPools, Scan
from quantix_hostd.transfer.draft import discard

_TIDY_S = 300.0

log = structlog.get_logger(__name__)


@dataclass
class KeptCopies:
    """One for a process. `end` ends what brings the image with a UID; `volumes_based_on` tells the volumes in
    a pool that are based on it, and blocks.
    """

    api: Lister
    pools: HostPools
    volumes_based_on: Callable[[PoolDir, str], list[Path]]
    end: Callable[[str], Awaitable[None]]
    clock: Clock = field(default_factory=SystemClock)
    _tidied_s: float = -math.inf

    @property
    def _notes(self) -> SentFiles:
        return SentFiles(self.pools.layout.image_copies)

    async def note(self, image: Image, pool: PoolDir) -> None:
        """That a copy is made in the pool of an image that another host keeps. Raises QuantixError."""
        if image.status.host == self.pools.host:
            return
        about = SentFile(image.key, self.pools.find(pool.name).metadata.uid, pool.path)
        try:
            await asyncio.to_thread(self._notes.note, f"{image.metadata.uid} {about.pool}", about)
        except OSError as error:
            raise explained(error, str(self.pools.layout.image_copies)) from error

    async def tidy(self) -> None:
        """Every 5 minutes: remove the copies of images that are gone, or are going. Raises ApiError."""
        if self.clock.monotonic() - self._tidied_s < _TIDY_S:
            return
        self._tidied_s = self.clock.monotonic()
        try:
            noted = await asyncio.to_thread(self._notes.read)
        except OSError as error:
            log.warning("copies of images are not known", error=str(error))
            return
        if not noted:
            return
        listed = (item["metadata"] for item in (await self.api.list(IMAGES)).items)
        wanted = {item["uid"] for item in listed if not item.get("deletionTimestamp")}
        for entry, file in noted.items():
            uid = entry.partition(" ")[0]
            if uid in wanted:
                continue
            try:
                await self._remove(entry, uid, file)
            except (QuantixError, OSError) as error:
                log.warning("copy of a deleted image stays", image=file.key, uid=uid, error=str(error))

    async def _remove(self, entry: str, uid: str, file: SentFile) -> None:
        """Raises QuantixError and OSError while it cannot be told, or done."""
        pool = self.pools.at(file.path)
        # where a mount point is empty, nothing can be told to be gone
        await self.pools.check_there(file.pool, pool)
        await self.end(uid)
        if await self._is_used(pool, uid):
            return
        await self.pools.ask(pool, partial(_remove_all, pool, uid))
        await asyncio.to_thread(self._notes.forget, entry)
        log.info("copy of a deleted image removed", image=file.key, uid=uid, pool=str(file.path))

    async def _is_used(self, pool: PoolDir, uid: str) -> bool:
        """False, too, where the pool was put away. Raises as `HostPools.scan`."""
        if not await self.pools.ask(pool, pool.volumes.is_dir):
            return False
        users = await self.pools.scan(pool, Scan.BASED_ON_IMAGE, partial(self.volumes_based_on, pool, uid))
        return bool(users)


def _remove_all(pool: PoolDir, uid: str) -> None:
    discard(pool, uid)
    remove_tree(pool.image(uid))
