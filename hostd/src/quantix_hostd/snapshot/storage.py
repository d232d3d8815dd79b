"""What of a snapshot lies in pools of either kind: made, told, removed, and put back.

In a `dir` pool each disk has a set of files (`dir_files`); in Ceph the volume's image has an RBD snapshot,
and what else there is lies in objects and in the image `memory.<uid>`. Called by the room of snapshots only;
whoever changes volumes holds their claims.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from quantix_api.errors import TransientError
from quantix_api.layout import Layout
from quantix_api.messages import as_error
from quantix_hostd.claims import VolumePlace
from quantix_hostd.clients.ceph_state import state_object
from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.pool_dir import PoolDir, remove_tree
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.clients.qemu_img import Disk, QemuImg
from quantix_hostd.clients.qemu_rbd import DiskFileEnd, RbdImage, convert
from quantix_hostd.clients.rbd_calls import remove_object
from quantix_hostd.clients.rbd_import import create_blank
from quantix_hostd.clients.rbd_snapshots import remove_snapshot, set_back, snapshot_image, take_snapshot
from quantix_hostd.clients.rbd_watchers import remove_left
from quantix_hostd.clients.state_store import StateObjects
from quantix_hostd.copy_bounds import copy_bounds
from quantix_hostd.snapshot import dir_files as files
from quantix_hostd.snapshot_place import SnapshotPlace, set_of_disk, state_place
from quantix_hostd.transfer.room import Filled, HostFiles, Room
from quantix_hostd.volume.disk_draft import hand_to_qemu

_SECTOR_BYTES = 512
_MEMORY = "the guest's memory"


@dataclass(frozen=True)
class SnapshotStorage:
    """It remembers nothing. All but what is async blocks. Raises QuantixError and OSError."""

    layout: Layout
    qemu_img: QemuImg
    states: StateObjects

    async def make_blank(
        self, pool: PoolDir, uid: str, disk: str, size_bytes: int, passphrase: str = ""
    ) -> Path:
        """An empty disk file, as large, that QEMU copies a running guest's disk into; its path."""
        data = await asyncio.to_thread(files.begin_set, pool, set_of_disk(uid, disk)) / "data"
        await self.qemu_img.create(Disk(pool.path, data, passphrase=passphrase), size_bytes)
        await asyncio.to_thread(hand_to_qemu, data, pool)
        return data

    def keep_idle(
        self, pool: Pool, volume: VolumePlace, uid: str, disk: str, goes_on: Callable[[], bool]
    ) -> bool:
        """Keep a disk that nobody writes to; False where `goes_on` said no."""
        if isinstance(pool, PoolDir):
            return files.copy_disk(pool, volume, set_of_disk(uid, disk), goes_on)
        self.keep_in_ceph(pool, volume, uid)
        return True

    def keep_in_ceph(self, pool: PoolRbd, volume: VolumePlace, uid: str) -> None:
        """Keep a disk in Ceph, whoever writes to it."""
        take_snapshot(pool, volume.handle, uid)

    def begin_rest(self, pool: Pool, uid: str) -> None:
        """A place for what is of no single disk."""
        if isinstance(pool, PoolDir):
            files.begin_set(pool, uid)
        else:
            self.layout.data.joinpath("snapshots").mkdir(parents=True, exist_ok=True)
            remove_tree(self.memory_file(pool, uid))

    def memory_file(self, pool: Pool, uid: str) -> Path:
        """What the guest's memory is written to at the moment."""
        if isinstance(pool, PoolDir):
            return files.draft_of(pool, uid) / files.MEMORY
        return self.layout.data / "snapshots" / f"{uid}.{files.MEMORY}"

    def memory_room(self, pool: Pool) -> Filled:
        """What that file takes room of."""
        return pool if isinstance(pool, PoolDir) else HostFiles(self.layout.data / "snapshots", pool.host)

    def keep_state(self, pool: Pool, uid: str, content: bytes) -> None:
        """Keep what firmware and TPM remember."""
        handle = pool.volume_draft_name(uid) if isinstance(pool, PoolDir) else uid
        self.states.write(SnapshotPlace(pool.key, handle, uid), content)

    def state(self, pool: Pool, uid: str) -> bytes | None:
        """What `keep_state` kept."""
        try:
            return self.states.read(state_place(pool.key, uid))
        except TransientError as error:
            if error.reason != "DataMissing":
                raise
            return None

    async def keep_memory(self, pool: Pool, uid: str) -> None:
        """Bring the memory to where all hosts of the pool get it."""
        if isinstance(pool, PoolDir):
            return
        path, name = self.memory_file(pool, uid), pool.memory_name(uid)
        length = (await asyncio.to_thread(path.stat)).st_size
        size_bytes = -(-length // _SECTOR_BYTES) * _SECTOR_BYTES
        await asyncio.to_thread(_remove_memory, pool, uid)
        await asyncio.to_thread(create_blank, pool, name, size_bytes)
        end = RbdImage(pool.known_access(), name)
        await convert(DiskFileEnd(path, "raw"), end, copy_bounds(size_bytes, size_bytes).wall_s)

    def forget_memory(self, pool: Pool, uid: str) -> None:
        """What other hosts have, too, goes from this one: once it is written down that it is kept, or it
        would be missed by who keeps it again.
        """
        if not isinstance(pool, PoolDir):
            remove_tree(self.memory_file(pool, uid))

    def sweep_memory(self, under_way: Collection[str]) -> int:
        """Remove the files of memory that hostds left that were killed, but those of snapshots (UIDs) that
        are `under_way`; how many that were. Before any memory is fetched.
        """
        found = (self.layout.data / "snapshots").glob(f"*.{files.MEMORY}")
        return sum(remove_tree(path) for path in found if path.stem not in under_way)

    async def fetch_memory(self, pool: Pool, uid: str, room: Room) -> Path:
        """A file of this host with the memory. Raises TransientError (DataMissing), and WaitingError
        (PoolFull).
        """
        if isinstance(pool, PoolDir):
            path = files.set_at(pool, uid) / files.MEMORY
            if not await asyncio.to_thread(path.is_file):
                raise as_error(TransientError, "DataMissing", place=path)
            return path
        name, path = pool.memory_name(uid), self.memory_file(pool, uid)
        disk = await asyncio.to_thread(pool.disk, name)
        if disk is None:
            raise as_error(TransientError, "DataMissing", place=f"{pool.name}/{name}")
        length = disk.capacity_bytes
        with room.share(self.memory_room(pool), length, length, _MEMORY) as share:
            await room.promise_or_wait(share, length)
            await asyncio.to_thread(_make_empty, path, length)
            source = RbdImage(pool.known_access(), name)
            await convert(source, DiskFileEnd(path, "raw"), copy_bounds(length, length).wall_s)
        return path

    @asynccontextmanager
    async def memory(self, pool: Pool, uid: str, room: Room) -> AsyncIterator[Path]:
        """The same, for so long as it is read."""
        try:
            yield await self.fetch_memory(pool, uid, room)
        finally:
            await asyncio.to_thread(self.forget_memory, pool, uid)

    def written_bytes(self, pool: Pool, uid: str, disk: str) -> int:
        """What the set of a disk that is being made takes of its pool; in Ceph it takes nothing."""
        if not isinstance(pool, PoolDir):
            return 0
        try:
            data = files.draft_of(pool, set_of_disk(uid, disk)) / "data"
            return data.stat().st_blocks * files.BLOCK_BYTES
        except FileNotFoundError:
            return 0

    def publish(self, pool: Pool, uid: str, disk: str = "") -> None:
        """What was made of a disk, or else of the rest, is whole."""
        if isinstance(pool, PoolDir):
            files.publish_set(pool, set_of_disk(uid, disk) if disk else uid)

    def is_there(self, pool: Pool, uid: str, disk: str, volume_uid: str) -> bool:
        """Whether the snapshot of a disk is there, whole, to set the volume back to."""
        if isinstance(pool, PoolDir):
            return (files.set_at(pool, set_of_disk(uid, disk)) / "data").is_file()
        return snapshot_image(pool, volume_uid, uid) is not None

    def remove(self, pool: Pool, uid: str, disk: str, volume_uid: str) -> bool:
        """What is kept of a disk, whole or not; False for nothing."""
        if isinstance(pool, PoolDir):
            return files.remove_set(pool, set_of_disk(uid, disk))
        return remove_snapshot(pool, volume_uid, uid)

    def remove_rest(self, pool: Pool, uid: str) -> bool:
        """What is of no single disk; False for nothing."""
        if isinstance(pool, PoolDir):
            return files.remove_set(pool, uid)
        remove_tree(self.memory_file(pool, uid))
        removed = _remove_memory(pool, uid)
        with pool.ceph.opened(pool.key) as ioctx:
            return remove_object(ioctx, state_object(uid)) or removed

    def stored_bytes(self, pool: Pool, disk: SnapshotPlace) -> int:
        """What a copy of what is kept of a disk takes at most; in Ceph none is made."""
        return disk.data.stat().st_blocks * files.BLOCK_BYTES if isinstance(pool, PoolDir) else 0

    def put_back(
        self, pool: Pool, disk: SnapshotPlace, volume: VolumePlace, goes_on: Callable[[], bool]
    ) -> None:
        """Set the volume's disk back, or get ready to, so that `switch_back` does it at once."""
        if isinstance(pool, PoolDir):
            files.put_back(pool, disk, volume, goes_on)
        else:
            set_back(pool, volume.handle, disk.uid)

    def put_back_bytes(self, pool: Pool, volume: VolumePlace) -> int:
        """What `put_back` has copied so far; in Ceph nothing."""
        return files.put_back_bytes(pool, volume) if isinstance(pool, PoolDir) else 0

    def forget_put_back(self, pool: Pool, volume: VolumePlace) -> None:
        """Nobody switches to what `put_back` got ready."""
        if isinstance(pool, PoolDir):
            files.forget_put_back(pool, volume)

    def switch_back(self, pool: Pool, volume: VolumePlace) -> None:
        if isinstance(pool, PoolDir):
            files.switch_back(pool, volume)


def _remove_memory(pool: PoolRbd, uid: str) -> bool:
    return remove_left(pool.ceph, pool.key, pool.memory_name(uid))


def _make_empty(path: Path, size_bytes: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_tree(path)
    with path.open("xb") as file:
        path.chmod(0o600)
        file.truncate(size_bytes)
