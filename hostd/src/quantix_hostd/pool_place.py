"""Whether a pool may begin where its spec says, on this host: not among the files of the system, and not
where another pool lies.

Asked by `pools` before a pool is used here for the first time: what keeps data already goes on doing so.
Resolves links, so call it from a thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from quantix_api.errors import TransientError
from quantix_api.layout import Layout
from quantix_api.message_table_phrases import AROUND, INSIDE, SAME_PLACE
from quantix_api.messages import as_error
from quantix_api.system_trees import system_tree
from quantix_hostd.clients.pool_dir import PoolDir, PoolPlaceError


def refuse_system(pool: PoolDir, layout: Layout) -> None:
    """Raise PoolPlaceError (PathRefused) for a place of the system or of Quantix itself."""
    place, ours = _resolved(pool.path), _resolved(layout.data)
    pools = ours / layout.local_pool.parent.name
    if pools in place.parents:
        return
    # below another root than / they are in no directory of the system
    all_ours = (ours, *map(_resolved, (layout.etc, layout.run, layout.log, layout.cache)))
    tree = next((tree for tree in all_ours if _meet(place, tree)), system_tree(place))
    if tree is not None:
        about = {"host": pool.host, "pool": pool.name, "place": place, "tree": tree}
        raise as_error(PoolPlaceError, "PathRefused", **about)


def refuse_shared(pool: PoolDir, others: Iterable[PoolDir]) -> None:
    """Raise PoolPlaceError (PathShared) where one of `others` has that directory, one in it or one around
    it: the room of both would be counted twice.
    """
    place = _resolved(pool.path)
    for other in others:
        theirs = _resolved(other.path)
        same = place == theirs or _is_mounted_twice(place, theirs)
        if not (same or _meet(place, theirs)):
            continue
        where = SAME_PLACE if same else INSIDE if theirs in place.parents else AROUND
        about = {"host": pool.host, "pool": pool.name, "path": pool.path, "other": other.name}
        raise as_error(PoolPlaceError, "PathShared", where=where, **about)


def refuse_left(pool: PoolDir, deleted: Iterable[PoolDir]) -> None:
    """Raise TransientError (PoolUnreachable) where a pool that was deleted is still to be put away."""
    for other in deleted:
        try:
            refuse_shared(pool, (other,))
        except PoolPlaceError as shared:
            about = {"host": pool.host, "pool": pool.name, "path": other.path, "other": other.name}
            raise as_error(TransientError, "PoolUnreachable", **about) from shared


def take_places(pools: Iterable[PoolDir]) -> list[PoolDir]:
    """Those that have a place, of pools in the order in which they may choose."""
    taken: list[PoolDir] = []
    for pool in pools:
        try:
            refuse_shared(pool, taken)
        except PoolPlaceError:
            continue
        taken.append(pool)
    return taken


def _is_mounted_twice(place: Path, other: Path) -> bool:
    """Whether both are one directory, by `mount --bind`; one that is not there is none."""
    try:
        return place.samefile(other)
    except OSError:
        return False


def _meet(place: Path, other: Path) -> bool:
    return place == other or place in other.parents or other in place.parents


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))
