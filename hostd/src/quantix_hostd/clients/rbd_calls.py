"""Single steps in a pool of Ceph, with librados and librbd. Used by whoever has opened the pool
(`CephClients.opened`), which translates what these raise.
"""

from __future__ import annotations

import errno
import json
from typing import Any

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_hostd.clients.ceph_library import rados, rbd

SNAPSHOT = "snap."
"""How the names of RBD snapshots begin that are snapshots of volumes."""
# RBD_SNAP_NAMESPACE_TYPE_TRASH (librbd.h): of a snapshot that was removed, and has clones
_TRASH = 2
# RBD_TRASH (rbd_types.h)
_TRASH_OBJECT = "rbd_trash"
_OWNER, _CLUSTER = "quantix.owner", "quantix.cluster"


def make_trash(ioctx: Any) -> None:
    """See that there is the object by way of which librbd removes images: where there is no room for it, it
    removes none (librbd 16.2 says that there is no such image).
    """
    if has_object(ioctx, _TRASH_OBJECT):
        return
    try:
        ioctx.write_full(_TRASH_OBJECT, b"")
    except rados().OSError as full:
        if full.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise


def mark_owner(image: Any, owner_uid: str, cluster_uid: str) -> None:
    """Write into an image whose it is."""
    image.metadata_set(_OWNER, owner_uid)
    image.metadata_set(_CLUSTER, cluster_uid)


def size_of(ioctx: Any, name: str) -> int | None:
    """Of an RBD image, in bytes; None where there is none."""
    try:
        with rbd().Image(ioctx, name, read_only=True) as image:
            return int(image.size())
    except rbd().ImageNotFound:
        return None


def written_bytes(ioctx: Any, name: str, *, with_parent: bool) -> int:
    """In whole objects, which the object map tells without a look at each (librbd, `rbd_diff_iterate2`)."""
    lengths: list[int] = []

    def note(_offset: int, length: int, exists: bool) -> None:
        if exists:
            lengths.append(length)

    with rbd().Image(ioctx, name, read_only=True) as image:
        image.diff_iterate(0, image.size(), None, note, include_parent=with_parent, whole_object=True)
    return sum(lengths)


def has_object(ioctx: Any, name: str) -> bool:
    """Whether there is an object of this name."""
    try:
        ioctx.stat(name)
    except rados().ObjectNotFound:
        return False
    return True


def is_kept_by_snapshots(image: Any) -> bool:
    """Whether there are snapshots of the volume, or clones of such as were removed."""
    return any(
        found["name"].startswith(SNAPSHOT) or found["namespace"] == _TRASH for found in image.list_snaps()
    )


def remove_image(ioctx: Any, name: str) -> bool:
    """An RBD image with its snapshots. Raises TransientError (VolumeInUse) where another stands on them."""
    try:
        with rbd().Image(ioctx, name) as image:
            for snapshot in list(image.list_snaps()):
                image.set_snap(snapshot["name"])
                used = any(True for _ in image.list_children2())
                image.set_snap(None)
                if used:
                    raise as_error(TransientError, "VolumeInUse", handle=name)
                image.remove_snap(snapshot["name"])
        rbd().RBD().remove(ioctx, name)
    except rbd().ImageNotFound:
        return False
    except rbd().ImageBusy as error:
        raise as_error(TransientError, "VolumeInUse", handle=name) from error
    return True


def remove_object(ioctx: Any, name: str) -> bool:
    """False when there was none."""
    try:
        ioctx.remove_object(name)
    except rados().ObjectNotFound:
        return False
    return True


def asked(cluster: Any, prefix: str, **fields: object) -> Any:
    """The answer of the monitors, as JSON has it. Raises what librados does."""
    command = {"prefix": prefix, "format": "json", **fields}
    code, answer, said = cluster.mon_command(json.dumps(command), b"")
    if code:
        raise rados().OSError(said or prefix, abs(code))
    return json.loads(answer or b"{}")
