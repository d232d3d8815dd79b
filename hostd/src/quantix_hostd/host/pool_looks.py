"""How the pools of this host are, and which images lie in them. Asked by the host controller at each look."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import structlog

from quantix_api.errors import QuantixError, TransientError
from quantix_api.messages import message_of
from quantix_hostd.clients.files import explained
from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.pool_dir import PoolDir, PoolPlaceError
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.host.model import ImageCopy, PoolFacts
from quantix_hostd.pools import HostPools, Scan

log = structlog.get_logger(__name__)


class PoolLooks:
    """One for a process."""

    def __init__(self, pools: HostPools) -> None:
        self._pools = pools
        # by UID: a pool that is made anew under a name has none of the earlier one's
        self._images: dict[str, tuple[ImageCopy, ...]] = {}

    async def look(self) -> tuple[tuple[PoolFacts, ...], tuple[ImageCopy, ...]]:
        """All pools that the host should reach, oldest first, and the images in those that it can use, by
        UID. One that hangs or is away keeps no other from being told.
        """
        facts: list[PoolFacts] = []
        images: list[ImageCopy] = []
        for pool in self._pools.reached():
            problem = await self._pools.problem(pool)
            if problem is not None:
                facts.append(_problem(pool.metadata.name, problem))
                continue
            found = self._pools.found(pool)
            try:
                facts.append(await self._pools.ask(found, partial(_facts, found)))
            except OSError as error:
                facts.append(_problem(found.name, explained(error, str(found.key))))
                continue
            except TransientError as silent:
                facts.append(_problem(found.name, silent))
                continue
            # what is in Ceph every host has, and none has to send
            if isinstance(found, PoolDir):
                images.extend(await self._images_in(pool.metadata.uid, found))
        return tuple(facts), tuple(sorted(images, key=lambda copy: copy.uid))

    async def _images_in(self, uid: str, pool: PoolDir) -> tuple[ImageCopy, ...]:
        """What was known before stays true while they cannot be listed: the pool itself has answered."""
        try:
            found = await self._pools.scan(pool, Scan.IMAGES, partial(_list_images, pool))
        except (TransientError, OSError) as error:
            log.warning("images of a pool not listed", pool=pool.name, error=str(error))
        else:
            self._images[uid] = found
        return self._images.get(uid, ())


def _problem(pool: str, problem: QuantixError) -> PoolFacts:
    reason = problem.reason if isinstance(problem, PoolPlaceError) else ""
    return PoolFacts(pool, problem=message_of(problem), reason=reason)


def _facts(pool: Pool) -> PoolFacts:
    """Blocks; raises OSError and TransientError."""
    space = pool.space()
    known = PoolFacts(pool.name, space.capacity_bytes, space.available_bytes, full=space.full)
    degraded = pool.health() if isinstance(pool, PoolRbd) else ""
    return replace(known, degraded=degraded)


def _list_images(pool: PoolDir) -> tuple[ImageCopy, ...]:
    return tuple(
        ImageCopy(entry.name, pool.name, entry.stat().st_size)
        for entry in pool.images.iterdir()
        if entry.is_file() and not entry.name.startswith(".")
    )
