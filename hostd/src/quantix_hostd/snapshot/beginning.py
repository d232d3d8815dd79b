"""What every snapshot begins with: it is looked at once more, there is room for it, and what is of no single
disk is kept. Used by `taking` only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass

from quantix_api import VirtualMachineSnapshot
from quantix_api.messages import as_wait
from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.state_store import Owned
from quantix_hostd.snapshot.kept import Kept, KeptDisk
from quantix_hostd.snapshot.observe import look_at_vm
from quantix_hostd.snapshot.observed import DiskSeen, SnapshotObserved, WorkSeen
from quantix_hostd.snapshot.plan import is_live
from quantix_hostd.snapshot.tools import SnapshotTools
from quantix_hostd.transfer.room import Filled, Share
from quantix_hostd.virtualmachine.firmware import keeps_state
from quantix_hostd.volume.disk_size import own_bytes, stored_bytes

AGAIN_S = 2.0
WHAT = "this snapshot"
_TABLES_FACTOR = 1.1
# what QEMU writes beside each page, and of its devices, of which that of the screen is the largest
_PAGES_FACTOR, _DEVICES_BYTES = 1.01, 64 << 20


@dataclass(frozen=True)
class Begun:
    """What is taken: `seen` once nobody else acts on the VM, and its pools by name."""

    kept: Kept
    seen: SnapshotObserved
    pools: dict[str, Pool]

    @property
    def home(self) -> Pool:
        return self.pools[self.kept.home]

    def disks(self) -> list[tuple[KeptDisk, DiskSeen, Pool]]:
        seen = {disk.name: disk for disk in self.seen.disks}
        return [(disk, seen[disk.name], self.pools[disk.pool]) for disk in self.kept.disks]


@dataclass(frozen=True)
class Promised:
    """The room that a snapshot was promised: for each of its disks, by name, and for the memory."""

    disks: Mapping[str, Share]
    memory: tuple[Share, ...]

    def end_moment(self) -> None:
        """The guest's memory is written, and all disks with it."""
        for share in (*self.disks.values(), *self.memory[:1]):
            share.end()


@dataclass(frozen=True)
class Beginning:
    """One for a process."""

    tools: SnapshotTools

    async def checked(self, snapshot: VirtualMachineSnapshot, kept: Kept) -> Begun:
        """Once more, since nobody else acts on the VM from now on. Raises what it waits for."""
        seen = await look_at_vm(self.tools, snapshot, WorkSeen())
        if is_live(seen) != kept.live:
            raise as_wait("Starting", AGAIN_S, starting=kept.vm)
        names = [(disk.name, disk.size_bytes, disk.target) for disk in seen.disks]
        if names != [(disk.name, disk.size_bytes, disk.target) for disk in kept.disks]:
            raise as_wait("Starting", AGAIN_S, starting=kept.vm)
        return Begun(kept, seen, await self.pools(kept))

    @asynccontextmanager
    async def promised(self, begun: Begun) -> AsyncIterator[Promised]:
        """Room for all that is written, until that is there or nothing of it is. Raises WaitingError
        (PoolFull): it is begun once there is room.
        """
        with ExitStack() as shares:
            disks: dict[str, Share] = {}
            for disk, seen, pool in begun.disks():
                wanted = await asyncio.to_thread(_copied_bytes, begun, seen, pool)
                disks[disk.name] = shares.enter_context(self.share(pool, disk))
                await self.tools.room.promise_or_wait(disks[disk.name], wanted)
            memory: list[Share] = []
            for filled in self._memory_goes_to(begun):
                length = _memory_bytes(begun)
                memory.append(shares.enter_context(self.tools.room.share(filled, length, length, WHAT)))
                await self.tools.room.promise_or_wait(memory[-1], length)
            yield Promised(disks, tuple(memory))

    def _memory_goes_to(self, begun: Begun) -> tuple[Filled, ...]:
        """Where the guest's memory is written; into Ceph it goes by way of a file."""
        if not begun.kept.memory:
            return ()
        first = self.tools.storage.memory_room(begun.home)
        return (first,) if isinstance(begun.home, PoolDir) else (first, begun.home)

    async def pools(self, kept: Kept) -> dict[str, Pool]:
        """Those of its disks, by name. Raises as `HostPools.pool`."""
        return {disk.pool: await self.tools.pools.pool(disk.pool) for disk in kept.disks}

    def share(self, pool: Pool, disk: KeptDisk) -> AbstractContextManager[Share]:
        """What the copy of a disk takes of its pool, while it is made."""
        return self.tools.room.share(pool, None, int(disk.size_bytes * _TABLES_FACTOR), WHAT)

    def keep_state(self, begun: Begun) -> bytes | None:
        """Keep what firmware and TPM remember, and return it. Blocks."""
        content = self.state(begun)
        if content is not None:
            self.tools.storage.keep_state(begun.home, begun.kept.uid, content)
        return content

    def state(self, begun: Begun) -> bytes | None:
        """What firmware and TPM remember now; most VMs have nothing of that. It lies beside the first disk,
        whether that is kept or not. Blocks.
        """
        vm = begun.seen.vm
        assert vm is not None
        if not keeps_state(vm):
            return None
        record = self.tools.vms.records.load(vm.metadata.uid)
        first = vm.status.resolved.disks[0].volume_uid if vm.status.resolved else ""
        places = (*record.places, *(disk.place for disk in begun.seen.disks if disk.place is not None))
        place = next((place for place in places if place.handle == first), None)
        if place is None:
            return None
        if begun.kept.live:
            resolved = vm.status.resolved
            uuid = (resolved.uuid if resolved else None) or vm.metadata.uid
            self.tools.states.save(Owned(vm.metadata.uid, uuid, place, record.epoch))
        return self.tools.storage.states.read(place)


def _copied_bytes(begun: Begun, seen: DiskSeen, pool: Pool) -> int:
    """What is written at once to keep the disk; in Ceph nothing, only what is written later takes room. But a
    guest whose writes wait for room there does not stand still.
    """
    if not isinstance(pool, PoolDir):
        return 0
    assert seen.place is not None
    by_qemu = begun.kept.live and not begun.kept.memory
    return (stored_bytes if by_qemu else own_bytes)(seen.place)


def _memory_bytes(begun: Begun) -> int:
    """What the guest's memory takes at most: pages of zeros are not written."""
    guest = begun.seen.guest
    return int(guest.memory_bytes * _PAGES_FACTOR) + _DEVICES_BYTES if guest is not None else 0
