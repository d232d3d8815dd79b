"""Where the `dir` pools of this host lie: made for the first use, kept apart, put away in the end. A part of
`pools`, called from threads.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from quantix_api.layout import Layout
from quantix_hostd.clients.files import explained
from quantix_hostd.clients.pool_dir import PoolDir, PoolPlaceError, Remains
from quantix_hostd.clients.used_pools import UsedPools
from quantix_hostd.pool_place import refuse_left, refuse_shared, refuse_system, take_places


@dataclass(frozen=True)
class DirPlaces:
    """Everything here blocks."""

    layout: Layout

    def put_away(
        self, uid: str, pool: PoolDir, places: Sequence[tuple[str, PoolDir]], images: Collection[str]
    ) -> Remains | None:
        """Remove what was made for a pool that was deleted, with the files of `images`; what stays. `places`
        are those of the pools that there are. Raises OSError and TransientError.
        """
        used = UsedPools(self.layout.used_pools)
        is_own = self._is_ours(pool.path)
        # where it lies now: a link that gets on the way from here on leads nowhere
        pool = replace(pool, path=Path(os.path.realpath(pool.path.parent), pool.path.name))
        try:
            refuse_shared(pool, [place for other, place in places if used.has(other, place.path)])
            return pool.put_away(images, is_own=is_own)
        except PoolPlaceError:
            # an earlier version let two pools have one place
            return None
        finally:
            used.forget(uid)

    def prepare(
        self,
        directory: PoolDir,
        uid: str,
        reached: Sequence[tuple[str, PoolDir]],
        deleted: Sequence[PoolDir],
    ) -> None:
        """Make sure that the pool's directories are there, where they may be. `reached`: the pools of this
        host, oldest first. Raises PoolPlaceError and TransientError.
        """
        used = UsedPools(self.layout.used_pools)
        try:
            ours, before = self._is_ours(directory.path), used.has(uid, directory.path)
            if not before:
                refuse_system(directory, self.layout)
                refuse_shared(directory, self._earlier(uid, reached, used))
                refuse_left(directory, deleted)
            directory.prepare(create=ours, used_before=before)
            used.note(uid, directory.path)
        except OSError as error:
            raise explained(error, str(used.file)) from error

    def _earlier(self, uid: str, reached: Sequence[tuple[str, PoolDir]], used: UsedPools) -> list[PoolDir]:
        """The pools whose places here come before that of the one with this UID: those that keep data
        already, and those that are older.
        """
        others = [(other, pool) for other, pool in reached if other != uid]
        older = [pool for _, pool in itertools.takewhile(lambda item: item[0] != uid, reached)]
        keeping = [pool for other, pool in others if used.has(other, pool.path)]
        waiting = [pool for pool in older if pool not in keeping]
        return take_places((*keeping, *waiting))

    def _is_ours(self, path: Path) -> bool:
        """Only below our own data directory is a missing directory made: elsewhere a disk may be missing."""
        return path.is_relative_to(self.layout.data)
