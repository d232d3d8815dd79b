"""Snapshots of volumes in Ceph, each the RBD snapshot `snap.<uid>` of the volume's image.

A volume that is removed while snapshots of it are there leaves them its image, as `gone.<handle>.<id>`; that
goes with the last of them, and with the last clone of one (clone format 2: a snapshot that has clones may be
removed, and is kept out of sight until they go; docs.ceph.com, "Snapshots", "Layering"). If the volume comes
back to the pool it is another image, until it is set back to one of them. Used by the room of
snapshots and the makers of disks. Everything here blocks, and raises TransientError as `CephClients.opened`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import structlog

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_hostd.claims import VolumePlace
from quantix_hostd.clients.ceph_library import rbd
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.qemu_rbd import RbdImage
from quantix_hostd.clients.rbd_calls import SNAPSHOT, is_kept_by_snapshots, remove_image, remove_object
from quantix_hostd.snapshot_place import SnapshotPlace

# RBD_ID_PREFIX (rbd_types.h): of the object that tells which image has a name
_NAME = "rbd_id."

log = structlog.get_logger(__name__)


def snapshot_name(uid: str) -> str:
    """Of the snapshot with this UID, at each image that it is of."""
    return f"{SNAPSHOT}{uid}"


def take_snapshot(pool: PoolRbd, handle: str, uid: str) -> None:
    """Of the volume as it is now. One that is there is of an earlier try, and goes. Nothing else is looked
    at: its guest may stand still meanwhile.
    """
    with pool.editing(handle) as image:
        with suppress(rbd().ImageNotFound):
            image.remove_snap(snapshot_name(uid))
        image.create_snap(snapshot_name(uid))


def snapshot_image(pool: PoolRbd, handle: str, uid: str) -> str | None:
    """The RBD image that has the snapshot now; None where it is nowhere."""
    with pool.ceph.opened(pool.key) as ioctx:
        found = (name for name in _images(ioctx, pool, handle) if _size(ioctx, name, uid) is not None)
        return next(found, None)


def image_at(pool: PoolRbd, place: VolumePlace) -> RbdImage:
    """What QEMU's tools read a disk in Ceph from: a volume, or what a snapshot keeps of one. Raises
    TransientError (DataMissing; PoolFull, since they open nothing in a pool that is full, and would wait).
    """
    if full := pool.full():
        raise as_error(TransientError, "PoolFull", pool=pool.name, full=full)
    if not isinstance(place, SnapshotPlace):
        return RbdImage(pool.known_access(), place.handle)
    image = snapshot_image(pool, place.handle, place.uid)
    if image is None:
        raise as_error(TransientError, "DataMissing", place=place.shown)
    return RbdImage(pool.known_access(), image, snapshot_name(place.uid))


def bytes_at(pool: PoolRbd, place: VolumePlace) -> int | None:
    """How large the disk is there; None where there is none."""
    if isinstance(place, SnapshotPlace):
        return snapshot_bytes(pool, place.handle, place.uid)
    disk = pool.disk(place.handle)
    return disk.capacity_bytes if disk is not None else None


def snapshot_bytes(pool: PoolRbd, handle: str, uid: str) -> int | None:
    """How large the disk was; None where there is no such snapshot."""
    with pool.ceph.opened(pool.key) as ioctx:
        sizes = (_size(ioctx, name, uid) for name in _images(ioctx, pool, handle))
        return next((size for size in sizes if size is not None), None)


def remove_snapshot(pool: PoolRbd, handle: str, uid: str) -> bool:
    """False when there was none. What was cloned from it stays."""
    removed = False
    with pool.ceph.opened(pool.key) as ioctx:
        for name in _images(ioctx, pool, handle):
            try:
                with rbd().Image(ioctx, name) as image:
                    image.remove_snap(snapshot_name(uid))
                removed = True
            except rbd().ImageNotFound:
                continue
    remove_gone(pool)
    return removed


def set_back(pool: PoolRbd, handle: str, uid: str) -> None:
    """Let the volume, whose claim the caller holds, be as it was. It takes as long as the volume is large,
    and may be repeated. One that left the pool and came back is another image than the one that was kept:
    that is the volume again then, and the other stays as long as snapshots need it. Raises TransientError
    (DataMissing, VolumeInUse).
    """
    with pool.ceph.opened(pool.key) as ioctx:
        _drop_left_name(ioctx, handle)
        kept = next((name for name in _images(ioctx, pool, handle) if _size(ioctx, name, uid)), None)
        if kept is None:
            raise as_error(TransientError, "DataMissing", place=f"{pool.name}/{handle}")
        if kept != handle:
            _set_aside(ioctx, pool, handle)
            rbd().RBD().rename(ioctx, kept, handle)
            log.info("image of a volume is the one that was kept", volume=handle, image=kept)
        with rbd().Image(ioctx, handle) as image:
            image.rollback_to_snap(snapshot_name(uid))
    remove_gone(pool)


def remove_gone(pool: PoolRbd) -> int:
    """Remove the images of volumes that are gone, and that no snapshot and no clone needs; how many."""
    removed = 0
    with pool.ceph.opened(pool.key) as ioctx:
        for name in rbd().RBD().list(ioctx):
            if name.startswith(pool.gone()) and _is_left(ioctx, name):
                removed += _removed(ioctx, name)
    return removed


def _set_aside(ioctx: Any, pool: PoolRbd, handle: str) -> None:
    """Nothing, where whoever was killed has done that."""
    try:
        with rbd().Image(ioctx, handle, read_only=True) as image:
            if list(image.watchers_list()):
                raise as_error(TransientError, "VolumeInUse", handle=handle)
            left_as = f"{pool.gone(handle)}{image.id()}"
    except rbd().ImageNotFound:
        return
    _drop_left_name(ioctx, left_as)
    rbd().RBD().rename(ioctx, handle, left_as)


def _drop_left_name(ioctx: Any, name: str) -> None:
    """Of an image that has another name by now: who renames it is killed before the old one is gone, and no
    image gets that any more (librbd, operation/RenameRequest.cc: the directory of names is written before).
    """
    if name not in rbd().RBD().list(ioctx):
        remove_object(ioctx, f"{_NAME}{name}")


def _images(ioctx: Any, pool: PoolRbd, handle: str) -> Iterator[str]:
    """All that the volume's snapshots may be of; the pool is asked for names only after the first."""
    yield handle
    yield from (name for name in rbd().RBD().list(ioctx) if name.startswith(pool.gone(handle)))


def _removed(ioctx: Any, name: str) -> bool:
    """Another host may be at it."""
    try:
        return remove_image(ioctx, name)
    except TransientError as busy:
        log.info("image of a volume that is gone stays", image=name, error=busy.message)
        return False


def _is_left(ioctx: Any, name: str) -> bool:
    try:
        with rbd().Image(ioctx, name, read_only=True) as image:
            return not is_kept_by_snapshots(image)
    except rbd().ImageNotFound:
        return False


def _size(ioctx: Any, name: str, uid: str) -> int | None:
    try:
        with rbd().Image(ioctx, name, snapshot=snapshot_name(uid), read_only=True) as image:
            return int(image.size())
    except rbd().ImageNotFound:
        return None
