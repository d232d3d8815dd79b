"""What firmware and TPM remember, as an object beside the volume in Ceph. Calls block.

`storage_parts` gives it to `state_store`; whoever removes a volume or a snapshot removes the object by name.
"""

from __future__ import annotations

from quantix_hostd.claims import CephPool, VolumePlace
from quantix_hostd.clients.ceph import CephClients
from quantix_hostd.clients.ceph_library import rados
from quantix_hostd.firmware_state import MAX_BYTES


def state_object(handle: str) -> str:
    """The name of the object of a volume."""
    return f"quantix.state.{handle}"


class CephStateObjects:
    """One for a process. The claim of the volume is read first, so that one that is missing is told there."""

    def __init__(self, ceph: CephClients) -> None:
        self._ceph = ceph

    def read(self, place: VolumePlace) -> bytes | None:
        assert isinstance(place.pool, CephPool)
        with self._ceph.opened(place.pool) as ioctx:
            try:
                content: bytes = ioctx.read(state_object(place.handle), MAX_BYTES)
            except rados().ObjectNotFound:
                return None
            return content

    def write(self, place: VolumePlace, content: bytes) -> None:
        assert isinstance(place.pool, CephPool)
        with self._ceph.opened(place.pool) as ioctx:
            # one operation: there is the old content or the new one
            ioctx.write_full(state_object(place.handle), content)
