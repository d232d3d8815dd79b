"""What was sent to this host for volumes, from when it is taken until nothing of it lies here any more.

Used by `volume.uploads`. It is put away where it was put, whatever became of its pool meanwhile. One `dir`
pool may be that of several hosts, and the name of a whole file says of none: while another host may still
make the volume of it, only what this host had half received goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import structlog

from quantix_api import Volume
from quantix_api.errors import QuantixError
from quantix_api.resources import VOLUMES
from quantix_client.api import ApiClient
from quantix_client.errors import NotFound
from quantix_client.reading import model_of
from quantix_hostd.clients.files import explained
from quantix_hostd.clients.pool_dir import PoolDir, remove_tree
from quantix_hostd.clients.sent_files import SentFile, SentFiles
from quantix_hostd.pools import HostPools
from quantix_hostd.transfer.draft import discard

log = structlog.get_logger(__name__)

Manifest = Mapping[str, Any]


class SentHere:
    """One for a process. `volumes` is a cache of those of this host."""

    def __init__(self, api: ApiClient, volumes: Mapping[str, Manifest], pools: HostPools) -> None:
        self._api, self._volumes, self._pools = api, volumes, pools
        self._notes = SentFiles(pools.layout.sent_files)
        # by the key of the volume and its UID
        self._files: dict[str, dict[str, SentFile]] = {}
        # UIDs of what it was told of that it cannot be put away now
        self._told: set[str] = set()

    async def remember(self) -> None:
        """At hostd's start: what was sent to an earlier process. Where that cannot be read, it stays where it
        is, and hostd goes on.
        """
        try:
            noted = await asyncio.to_thread(self._notes.read)
        except OSError as error:
            log.warning("what was sent for volumes is not known", error=str(error))
            return
        for uid, file in noted.items():
            self._files.setdefault(file.key, {})[uid] = file

    def uids(self) -> dict[str, Collection[str]]:
        """Of the volumes for which something is here, by key."""
        return {key: tuple(files) for key, files in self._files.items()}

    async def note(self, volume: Volume, pool: PoolDir) -> None:
        """That a file for the volume is taken into the pool. Raises QuantixError."""
        file = SentFile(volume.key, self._pools.find(pool.name).metadata.uid, pool.path)
        uid = volume.metadata.uid
        self._files.setdefault(volume.key, {})[uid] = file
        try:
            await asyncio.to_thread(self._notes.note, uid, file)
        except OSError as error:
            raise explained(error, str(self._pools.layout.sent_files)) from error

    async def put_away(self, key: str, uid: str) -> None:
        """What this host has for a volume that is gone, or no more its own. What cannot go now is kept, and
        told once.
        """
        file = self._files.get(key, {}).get(uid)
        if file is None:
            return
        try:
            await self._put_away(key, uid, file)
        except (QuantixError, OSError) as error:
            if uid not in self._told:
                log.warning("file of a volume not put away", key=key, uid=uid, error=str(error))
            self._told.add(uid)
        else:
            self._told.discard(uid)

    async def remove(self, key: str, uid: str, pool: PoolDir) -> None:
        """All that is in the pool for a volume of this host. Raises OSError."""
        await asyncio.to_thread(_remove, pool, uid)
        await self._forget(key, uid)

    async def _put_away(self, key: str, uid: str, file: SentFile) -> None:
        """Raises QuantixError and OSError while it cannot be told, or done."""
        pool = self._pools.at(file.path)
        # where a mount point is empty, nothing can be told to be gone
        await self._pools.check_there(file.pool, pool)
        await self._pools.ask(pool, partial(discard, pool, uid))
        whole = await self._pools.ask(pool, pool.image(uid).exists)
        if whole and await self._is_wanted_elsewhere(key, uid):
            return
        await self._pools.ask(pool, partial(_remove, pool, uid))
        await self._forget(key, uid)

    async def _is_wanted_elsewhere(self, key: str, uid: str) -> bool:
        """Whether the API has the volume still, without its data. Raises ApiError."""
        known = self._volumes.get(key)
        if known is None or known["metadata"]["uid"] == uid:
            namespace, _, name = key.partition("/")
            try:
                known = await self._api.get(VOLUMES, name, namespace)
            except NotFound:
                return False
        volume = model_of(Volume, known)
        return volume.metadata.uid == uid and volume.status.data != "Present"

    async def _forget(self, key: str, uid: str) -> None:
        await asyncio.to_thread(self._notes.forget, uid)
        files = self._files.get(key, {})
        files.pop(uid, None)
        if not files:
            self._files.pop(key, None)


def _remove(pool: PoolDir, uid: str) -> None:
    discard(pool, uid)
    remove_tree(pool.image(uid))
