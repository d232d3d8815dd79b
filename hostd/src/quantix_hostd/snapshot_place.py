"""Where what a snapshot keeps of a disk lies. Names come from UIDs and from names of disks only."""

from __future__ import annotations

from dataclasses import dataclass

from quantix_hostd.claims import PoolKey, VolumePlace
from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.pool_dir import PoolDir


@dataclass(frozen=True)
class SnapshotPlace(VolumePlace):
    """In a `dir` pool a disk file of its own, in the set `handle`; in Ceph a snapshot of the image of the
    volume with that `handle`. It has no claim: nobody writes to it any more. `uid`: of the snapshot.
    """

    uid: str = ""

    @property
    def folder(self) -> str:
        return "snapshots"

    @property
    def shown(self) -> str:
        return str(self.data) if self.is_local else f"{super().shown}@{self.uid}"


def place_of_disk(pool: Pool, uid: str, disk: str, volume_uid: str) -> SnapshotPlace:
    """What the snapshot with this `uid` keeps of a disk."""
    handle = set_of_disk(uid, disk) if isinstance(pool, PoolDir) else volume_uid
    return SnapshotPlace(pool.key, handle, uid)


def set_of_disk(uid: str, disk: str) -> str:
    """The name of the directory with that disk, in a `dir` pool; that with all the rest is named `uid`."""
    return f"{uid}-{disk}"


def state_place(key: PoolKey, uid: str) -> SnapshotPlace:
    """Beside which what firmware and TPM remembered lies."""
    return SnapshotPlace(key, uid, uid)
