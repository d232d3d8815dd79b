"""Claims of pools in Ceph: object `quantix.claim.<handle>`, changed only by compare-and-set on all of it.

Used through `claims.ClaimStore`; which moves there are is decided in `claims`. Comparing and setting are one
write operation (librados, `rados_write_op_omap_cmp2`), which the object's own OSD does whole or not at all.
An operation that was not answered in time may still be done, late: each content has a serial number of its
own, so that such a one compares with what is long gone. Everything here blocks.
"""

from __future__ import annotations

import errno
import json
from typing import Any

from quantix_api.errors import InvariantError
from quantix_api.messages import as_error
from quantix_hostd.claims import (
    CephPool,
    Claim,
    ClaimChangedError,
    VolumeMissingError,
    VolumePlace,
)
from quantix_hostd.clients.ceph import CephClients
from quantix_hostd.clients.ceph_library import rados, rbd
from quantix_hostd.clients.claim_text import parse_claim, render_claim

_PREFIX, _KEY = "quantix.claim.", "claim"


class CephClaimStore:
    """One for a process."""

    def __init__(self, ceph: CephClients) -> None:
        self._ceph = ceph

    def create(self, place: VolumePlace, claim: Claim) -> None:
        with self._ceph.opened(_pool(place)) as ioctx, rados().WriteOpCtx() as operation:
            operation.new(rados().LIBRADOS_CREATE_EXCLUSIVE)
            ioctx.set_omap(operation, (_KEY,), (render_claim(claim, serial=0).encode(),))
            try:
                ioctx.operate_write_op(operation, claim_object(place.handle))
            except rados().ObjectExists as error:
                raise as_error(ClaimChangedError, "VolumeInUse", handle=place.handle) from error

    def read(self, place: VolumePlace) -> Claim | None:
        content = self._content(place)
        return None if content is None else parse_claim(content, place.shown)

    def compare_and_set(
        self, place: VolumePlace, expected: Claim, wanted: Claim, *, rewrite: bool = False
    ) -> None:
        content = self._content(place)
        if content is None or parse_claim(content, place.shown) != expected:
            raise as_error(ClaimChangedError, "VolumeInUse", handle=place.handle)
        if wanted.floor < expected.floor:
            raise InvariantError("InternalError", "The floor of a claim must never fall.")
        if not rewrite and wanted == expected:
            return
        following = render_claim(wanted, serial=_serial(content) + 1)
        with self._ceph.opened(_pool(place)) as ioctx, rados().WriteOpCtx() as operation:
            operation.omap_cmp(_KEY, content.decode(), rados().LIBRADOS_CMPXATTR_OP_EQ)
            ioctx.set_omap(operation, (_KEY,), (following.encode(),))
            try:
                ioctx.operate_write_op(operation, claim_object(place.handle))
            except rados().OSError as error:
                if error.errno not in (errno.ECANCELED, errno.ENOENT):
                    raise
                raise as_error(ClaimChangedError, "VolumeInUse", handle=place.handle) from error

    def _content(self, place: VolumePlace) -> bytes | None:
        """None where the volume is there without a claim. Raises VolumeMissingError."""
        with self._ceph.opened(_pool(place)) as ioctx:
            content = _read(ioctx, claim_object(place.handle))
            if content is None and not _is_volume(ioctx, place.handle):
                raise as_error(VolumeMissingError, "DataMissing", place=place.shown)
            return content


def claim_object(handle: str) -> str:
    """The name of the object that holds the claim of a volume."""
    return f"{_PREFIX}{handle}"


def _read(ioctx: Any, name: str) -> bytes | None:
    with rados().ReadOpCtx() as operation:
        found, _ = ioctx.get_omap_vals_by_keys(operation, (_KEY,))
        try:
            ioctx.operate_read_op(operation, name)
        except rados().ObjectNotFound:
            return None
        # an object without it is no claim, and admits nobody
        return bytes(dict(found).get(_KEY, b""))


def _is_volume(ioctx: Any, handle: str) -> bool:
    try:
        rbd().Image(ioctx, handle, read_only=True).close()
    except rbd().ImageNotFound:
        return False
    return True


def _serial(content: bytes) -> int:
    serial = json.loads(content).get("serial", 0)
    return serial if type(serial) is int else 0


def _pool(place: VolumePlace) -> CephPool:
    if not isinstance(place.pool, CephPool):
        raise TypeError(f"{place} is not in Ceph")
    return place.pool
