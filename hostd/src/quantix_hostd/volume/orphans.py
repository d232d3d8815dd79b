"""Finds data in this host's pools of which the API has no Volume, to be told: nothing is removed here.

The host controller asks at each of its looks. What the watch does not know is looked for in the API itself,
since Volumes of other hosts lie in shared pools too. Data whose claim names another cluster is that one's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from quantix_api.errors import QuantixError
from quantix_api.resources import VOLUMES
from quantix_client.api import ApiClient
from quantix_client.clock import Clock, SystemClock
from quantix_hostd.claims import ClaimDamagedError, ClaimStore, VolumeMissingError, VolumePlace
from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.facts.orphans import OrphanVolume
from quantix_hostd.pools import HostPools, Scan

# all Volumes are read for it, on each host that has a shared pool
_ASK_EVERY_S = 300.0

log = structlog.get_logger(__name__)

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class OrphanTools:
    """`volumes` is a cache."""

    api: ApiClient
    volumes: Mapping[str, Manifest]
    pools: HostPools
    claims: ClaimStore
    cluster_uid: str


class VolumeOrphans:
    """One for a process."""

    def __init__(self, tools: OrphanTools, clock: Clock | None = None) -> None:
        self._tools = tools
        self._clock = clock or SystemClock()
        self._ask_at_s = float("-inf")
        self._orphans: frozenset[OrphanVolume] = frozenset()

    async def find(self) -> tuple[OrphanVolume, ...]:
        """All in the pools of this host, by path; new ones are found within five minutes. What lies in a pool
        that is away stays known. Raises ApiError.
        """
        known = _handles(self._tools.volumes.values())
        unknown, read = await self._unknown(known)
        if unknown and self._clock.monotonic() >= self._ask_at_s:
            # after the look at the pools: a volume that was published has its object until its data is gone
            listed = await self._tools.api.list(VOLUMES)
            self._ask_at_s = self._clock.monotonic() + _ASK_EVERY_S
            known = _handles(listed.items)
            found = frozenset(orphan for handle, orphan in unknown if handle not in known)
            found |= {orphan for orphan in self._orphans if orphan.pool not in read}
            for orphan in found - self._orphans:
                log.warning("volume without an object", pool=orphan.pool, path=orphan.path)
            self._orphans = found
        there = {orphan for _, orphan in unknown}
        self._orphans = frozenset(
            orphan for orphan in self._orphans if orphan in there or orphan.pool not in read
        )
        return tuple(sorted(self._orphans, key=lambda orphan: orphan.path))

    async def _unknown(self, known: frozenset[str]) -> tuple[list[tuple[str, OrphanVolume]], set[str]]:
        """The handle of each volume of this cluster that has none of the known ones, and the pools that could
        be read.
        """
        found: list[tuple[str, OrphanVolume]] = []
        read = set()
        for pool in self._tools.pools.at_hand():
            try:
                found += await self._tools.pools.scan(
                    pool, Scan.ORPHANS, partial(self._unknown_in, pool, known)
                )
            except (QuantixError, OSError) as error:
                log.warning("pool not looked at", pool=pool.name, error=str(error))
            else:
                read.add(pool.name)
        return found, read

    def _unknown_in(self, pool: Pool, known: frozenset[str]) -> list[tuple[str, OrphanVolume]]:
        """Of one pool. Blocks; raises QuantixError and OSError."""
        return [
            (handle, OrphanVolume(pool.name, VolumePlace(pool.key, handle).shown_whole))
            for handle in _handles_in(pool)
            if handle not in known and self._is_ours(VolumePlace(pool.key, handle))
        ]

    def _is_ours(self, place: VolumePlace) -> bool:
        try:
            claim = self._tools.claims.read(place)
        except ClaimDamagedError:
            return True
        except VolumeMissingError:
            # removed since the directory was listed
            return False
        return claim is not None and claim.cluster_uid == self._tools.cluster_uid


def _handles(volumes: Iterable[Manifest]) -> frozenset[str]:
    """Under which names the data of these Volumes may lie."""
    names = ((item["metadata"]["uid"], (item.get("status") or {}).get("handle")) for item in volumes)
    return frozenset(name for pair in names for name in pair if name)


def _handles_in(pool: Pool) -> list[str]:
    """The names of what may be volumes: neither drafts nor links. Raises OSError, and in Ceph
    TransientError, while the pool is away.
    """
    if isinstance(pool, PoolRbd):
        return pool.handles()
    return [
        entry.name
        for entry in pool.volumes.iterdir()
        if not entry.name.startswith(".") and not entry.is_symlink() and entry.is_dir()
    ]
