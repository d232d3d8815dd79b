"""A pool in Ceph: which RBD images and objects in it are ours, what lies in them, and their removal.

```
<handle>                  a volume
image.<image uid>@base    an image: volumes are clones of its snapshot, in clone format 2
new.<host>.<handle>       being made, or removed, by that host; nobody reads it
<handle>@snap.<uid>       a snapshot of a volume
gone.<handle>.<RBD's id>  a volume that is no more, of which there are snapshots, or clones of such
memory.<uid>              the memory of the guest, of a snapshot
quantix.claim.<handle>    who may write the volume (claims)
quantix.state.<handle>    what firmware and TPM remember
quantix.pool              whose the pool is
```
Used by the image, volume and host parts. Names come from UIDs only; each image of ours carries the UIDs of
its owner and of the cluster. Everything here blocks, and raises TransientError (PoolUnreachable, PoolFull) as
`CephClients.opened`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantix_api.errors import TransientError
from quantix_api.message_table_phrases import CEPH_FOREIGN
from quantix_api.messages import as_error
from quantix_hostd.claims import CephPool, VolumePlace
from quantix_hostd.clients.ceph import CephClients
from quantix_hostd.clients.ceph_claims import claim_object
from quantix_hostd.clients.ceph_connection import CephAccess
from quantix_hostd.clients.ceph_library import rados, rbd
from quantix_hostd.clients.ceph_room import room_of, why_full
from quantix_hostd.clients.ceph_state import state_object
from quantix_hostd.clients.pool_dir import PoolDir, Space, checked_handle
from quantix_hostd.clients.rbd_calls import (
    asked,
    has_object,
    is_kept_by_snapshots,
    make_trash,
    mark_owner,
    remove_image,
    remove_object,
    size_of,
    written_bytes,
)
from quantix_hostd.clients.rbd_watchers import remove_left, shut_out_left
from quantix_hostd.facts.disk_file import DiskFile

BASE = "base"
_IMAGE, _DRAFT, _GONE, _MEMORY = "image.", "new.", "gone.", "memory."
_MARK, _MARK_KEY = "quantix.pool", "pool"
_RECEIVED = "quantix.received."
_DETAIL = {"detail": "detail"}
# what is missing of these makes the pool less safe than it should be (docs.ceph.com, "Health checks")
_UNSAFE = ("OSD_DOWN", "MON_DOWN", "PG_AVAILABILITY", "PG_DEGRADED", "PG_DAMAGED", "OSD_SCRUB_ERRORS")


@dataclass(frozen=True)
class PoolRbd:
    """One pool, as `host` uses it for the cluster `cluster_uid`. `staging`: where files of images lie on this
    host until all of them are in the pool.
    """

    name: str
    host: str
    ceph: CephClients
    staging: PoolDir

    @property
    def key(self) -> CephPool:
        return CephPool(self.name)

    @property
    def received(self) -> PoolDir:
        """Where files from outside are received for it."""
        return self.staging

    def place(self, handle: str) -> VolumePlace:
        """The volume, as claims name it."""
        return VolumePlace(self.key, checked_handle(handle))

    def has_any_of(self, handle: str) -> bool:
        """Whether anything of a volume is there. Its claim comes before its disk and goes after it, so that
        who is killed in between leaves the claim alone; `disk` tells of the disk.
        """
        with self.ceph.opened(self.key) as ioctx:
            return size_of(ioctx, handle) is not None or has_object(ioctx, claim_object(handle))

    def disk(self, handle: str) -> DiskFile | None:
        """What lies there now; None for nothing."""
        with self.ceph.opened(self.key) as ioctx:
            size_bytes = size_of(ioctx, handle)
        return None if size_bytes is None else DiskFile(size_bytes)

    def stored_bytes(self, handle: str) -> int:
        """About what the volume takes, with what it has of an image."""
        with self.ceph.opened(self.key) as ioctx:
            return written_bytes(ioctx, handle, with_parent=True)

    def drafted_bytes(self, handle: str) -> int:
        """About what this host has written of a volume or image that it is making; 0 for nothing."""
        with self.ceph.opened(self.key) as ioctx:
            try:
                return written_bytes(ioctx, self.draft(handle), with_parent=False)
            except rbd().ImageNotFound:
                return 0

    def handles(self) -> list[str]:
        """The handles of all that may be volumes."""
        with self.ceph.opened(self.key) as ioctx:
            names = rbd().RBD().list(ioctx)
        return [name for name in names if not name.startswith((_IMAGE, _DRAFT, _GONE, _MEMORY))]

    def remove_volume(self, handle: str) -> bool:
        """Remove it with all its data but that of its snapshots; its claim goes last. False when there was
        none.
        """
        with self.ceph.opened(self.key) as ioctx:
            there = size_of(ioctx, handle) is not None
            if there:
                left_as = self._left_as(ioctx, handle)
                self.remove_draft(handle)
                self._set_aside(ioctx, handle, left_as)
            self.remove_draft(handle)
            for name in (state_object(handle), claim_object(handle)):
                there |= remove_object(ioctx, name)
        return there

    def shut_out_left(self, handle: str) -> int:
        """Shut out QEMUs of this host that ended without a word (`rbd_watchers`); how many those were."""
        return shut_out_left(self.ceph, self.key, handle)

    def draft(self, handle: str) -> str:
        """The RBD image in which this host makes a volume or an image."""
        return f"{_DRAFT}{self.host}.{checked_handle(handle)}"

    def gone(self, handle: str = "") -> str:
        """How the names begin of images of volumes that are no more, which snapshots need: of this one, which
        may have left the pool more than once, or of all.
        """
        return f"{_GONE}{handle}." if handle else _GONE

    def memory_name(self, uid: str) -> str:
        """The RBD image with the memory of the snapshot with this UID."""
        return f"{_MEMORY}{checked_handle(uid)}"

    def remove_draft(self, handle: str) -> bool:
        """False when there is none. What has it open is of this host, and was killed: it is shut out."""
        return self._remove_own(self.draft(handle))

    def publish(self, handle: str) -> None:
        """Make the draft the volume. Raises TransientError (VolumeInUse) when there is one."""
        self._rename(self.draft(handle), handle)

    def publish_image(self, uid: str, received: Mapping[str, str], cluster_uid: str) -> None:
        """Make the draft an image, which nobody writes any more. `received`: what was found of its file."""
        with self.editing(self.draft(uid)) as image:
            mark_owner(image, uid, cluster_uid)
            for name, value in received.items():
                image.metadata_set(f"{_RECEIVED}{name}", value)
            image.create_snap(BASE)
        self._rename(self.draft(uid), self.image_name(uid))

    def received_as(self, uid: str) -> dict[str, str]:
        """What was found of the file of an image that is there whole."""
        with self.editing(self.image_name(uid)) as image:
            found = dict(image.metadata_list())
        return {name.removeprefix(_RECEIVED): value for name, value in found.items()}

    def known_access(self) -> CephAccess:
        """As whom the pool is used. Raises TransientError (PoolUnreachable) while that is not known."""
        return self.ceph.known_access(self.key)

    def _rename(self, name: str, final: str) -> None:
        with self.ceph.opened(self.key) as ioctx:
            try:
                rbd().RBD().rename(ioctx, name, final)
            except rbd().ImageExists as error:
                raise as_error(TransientError, "VolumeInUse", handle=final) from error

    def image_name(self, uid: str) -> str:
        return f"{_IMAGE}{checked_handle(uid)}"

    def has_image(self, uid: str) -> bool:
        """Whether all of the image is there."""
        return self.image_bytes(uid) is not None

    def image_bytes(self, uid: str) -> int | None:
        """The size of the disk that an image describes; None while it is not there whole."""
        with self.ceph.opened(self.key) as ioctx:
            try:
                with rbd().Image(ioctx, self.image_name(uid), snapshot=BASE, read_only=True) as image:
                    return int(image.size())
            except (rbd().ImageNotFound, rbd().ObjectNotFound):
                return None

    def volumes_based_on(self, uid: str) -> list[Path]:
        """What are clones of this image, by names of its pool."""
        with self.ceph.opened(self.key) as ioctx:
            try:
                with rbd().Image(ioctx, self.image_name(uid), snapshot=BASE, read_only=True) as image:
                    return [Path(self.name, child["image"]) for child in image.list_children2()]
            except (rbd().ImageNotFound, rbd().ObjectNotFound):
                return []

    def remove_image(self, uid: str) -> bool:
        """False when there was nothing. Raises TransientError (VolumeInUse) while a volume is its clone."""
        with self.ceph.opened(self.key) as ioctx:
            return remove_image(ioctx, self.image_name(uid))

    def sweep_drafts(self) -> int:
        """Remove what an earlier run of this host left half-made or half-removed; how many that were."""
        with self.ceph.opened(self.key) as ioctx:
            names = rbd().RBD().list(ioctx)
        # no handle has a dot, but a host's name may: whose begins as ours is another one
        own = [name for name in names if name.rpartition(".")[0] == f"{_DRAFT}{self.host}"]
        return sum(map(self._remove_own, own))

    def _remove_own(self, name: str) -> bool:
        return remove_left(self.ceph, self.key, name)

    def space(self) -> Space:
        """All zero while no manager of the cluster tells it."""
        with self.ceph.monitored(self.key) as cluster:
            df, pools = asked(cluster, "df", **_DETAIL), asked(cluster, "osd pool ls", **_DETAIL)
        return room_of(self.known_access().pool, df, pools)

    def full(self) -> str:
        """Why Ceph takes no write in the pool, "" while it does."""
        with self.ceph.monitored(self.key) as cluster:
            pools = asked(cluster, "osd pool ls", **_DETAIL)
        return why_full(self.known_access().pool, pools)

    def health(self) -> str:
        """What makes the cluster less safe than it should be, "" for nothing."""
        with self.ceph.monitored(self.key) as cluster:
            checks = asked(cluster, "health").get("checks", {})
        found = (checks[code]["summary"]["message"] for code in _UNSAFE if code in checks)
        return "; ".join(found)

    def mark(self, cluster_uid: str) -> None:
        """Make the pool this cluster's. Raises TransientError (PoolUnreachable) where it is another's."""
        with self.ceph.opened(self.key) as ioctx:
            make_trash(ioctx)
            with rados().WriteOpCtx() as operation:
                operation.new(rados().LIBRADOS_CREATE_EXCLUSIVE)
                mark = json.dumps({"clusterUID": cluster_uid, "leaderBeat": 0, "term": 0}, sort_keys=True)
                ioctx.set_omap(operation, (_MARK_KEY,), (mark.encode(),))
                try:
                    ioctx.operate_write_op(operation, _MARK)
                except rados().ObjectExists:
                    pass
                else:
                    return
            found = _marked(ioctx)
        if found != cluster_uid:
            about = {"host": self.host, "pool": self.name, "said": CEPH_FOREIGN.format(cluster=found)}
            raise as_error(TransientError, "PoolUnreachable", **about)

    @contextmanager
    def editing(self, name: str) -> Iterator[Any]:
        """An RBD image, to be changed by this host."""
        with self.ceph.opened(self.key) as ioctx, rbd().Image(ioctx, name) as image:
            yield image

    def _set_aside(self, ioctx: Any, handle: str, left_as: str) -> None:
        """Let it be no volume any more at once, however long its data takes. A name takes room: where there
        is none, what nothing needs is removed as it stands.
        """
        try:
            rbd().RBD().rename(ioctx, handle, left_as)
        except (rbd().NoSpace, rbd().DiskQuotaExceeded):
            if left_as != self.draft(handle):
                raise
            remove_image(ioctx, handle)

    def _left_as(self, ioctx: Any, handle: str) -> str:
        """What its image is called from now on: another name each time where snapshots need it. Nothing is
        removed under a QEMU, whatever its claim says: raises TransientError (VolumeInUse).
        """
        with rbd().Image(ioctx, handle, read_only=True) as image:
            if list(image.watchers_list()):
                raise as_error(TransientError, "VolumeInUse", handle=handle)
            kept = is_kept_by_snapshots(image)
            return f"{self.gone(handle)}{image.id()}" if kept else self.draft(handle)


def _marked(ioctx: Any) -> str:
    with rados().ReadOpCtx() as operation:
        found, _ = ioctx.get_omap_vals_by_keys(operation, (_MARK_KEY,))
        ioctx.operate_read_op(operation, _MARK)
        return str(json.loads(dict(found)[_MARK_KEY])["clusterUID"])
