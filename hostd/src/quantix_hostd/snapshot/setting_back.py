"""Sets the disks of a VM that is off back to a snapshot: all of them, or none counts.

Called by the controller of restores, in the background. Everything may be repeated from the start, by whoever
has to: the claims say how far it was (`restoring`), so that the VM starts with none of the disks
before all are whole, and what it wrote after that is not undone by a host that comes late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from quantix_api import VirtualMachine, VirtualMachineRestore, VirtualMachineSnapshot, Volume
from quantix_api.errors import PermanentError, TransientError
from quantix_api.messages import as_error, as_wait
from quantix_api.resources import VIRTUAL_MACHINE_SNAPSHOTS, VIRTUAL_MACHINES, VOLUMES
from quantix_api.virtual_machine_restore import RestoreDisk
from quantix_client.errors import NotFound
from quantix_client.reading import model_of
from quantix_hostd.claims import Claim, ClaimRefusedError, VolumePlace
from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.firmware_state import parse_state, render_state
from quantix_hostd.restoring import begin_restore, end_restore, give_up_restore, is_half, touch, written_under
from quantix_hostd.snapshot.tools import SnapshotTools
from quantix_hostd.snapshot_place import SnapshotPlace, place_of_disk
from quantix_hostd.thread_calls import to_the_end
from quantix_hostd.transfer.room import Share
from quantix_hostd.transfer.transfers import Transfer

_AGAIN_S = 2.0
_WHAT = "the disks that are set back"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Disk:
    """A disk that is set back: the volume at `place`, to what is `kept`. `elsewhere`: where it is instead, as
    messages tell it, empty where it is there.
    """

    name: str
    volume: Volume
    elsewhere: Mapping[str, str]
    pool: Pool
    place: VolumePlace
    kept: SnapshotPlace

    @property
    def volume_uid(self) -> str:
        return self.volume.metadata.uid


@dataclass(frozen=True)
class SettingBack:
    """One for a process."""

    tools: SnapshotTools

    async def run(self, restore: VirtualMachineRestore, transfer: Transfer[bool]) -> None:
        """`transfer` is told how far the copies are. Raises PermanentError before anything is changed,
        WaitingError, and TransientError, after which it is to be run again.
        """
        snapshot = await self._snapshot(restore)
        disks = [await self._disk(restore, snapshot, disk) for disk in restore.status.disks]
        uid = restore.metadata.uid
        await asyncio.to_thread(self._check_places, disks)
        if not await asyncio.to_thread(self._is_done, disks, uid):
            await self._check_vm(restore, disks)
            await self._check_there(restore, disks)
            for disk in disks:
                await self._begin(restore, disks, disk)
            log.info("disks of a VM are set back", uid=uid, snapshot=snapshot.metadata.uid, disks=len(disks))
            await self._put_back(uid, disks, transfer)
            await self._set_state_back(restore, snapshot, disks)
            await self._mark_memory(restore, snapshot, disks)
        # the claim that decides last
        for disk in reversed(disks):
            await asyncio.to_thread(self._change, disk, partial(end_restore, restore_uid=uid))
        log.info("disks of a VM were set back", uid=uid, snapshot=snapshot.metadata.uid)

    async def _snapshot(self, restore: VirtualMachineRestore) -> VirtualMachineSnapshot:
        name, namespace = restore.spec.snapshot, restore.metadata.namespace
        try:
            found = await self.tools.api.get(VIRTUAL_MACHINE_SNAPSHOTS, name, namespace)
        except NotFound as missing:
            raise as_error(PermanentError, "SnapshotNotFound", snapshot=name) from missing
        snapshot = model_of(VirtualMachineSnapshot, found)
        if snapshot.metadata.uid != restore.status.snapshot_uid:
            raise as_error(PermanentError, "SnapshotNotFound", snapshot=name)
        if snapshot.status.phase != "Ready":
            raise as_wait("SnapshotNotReady", _AGAIN_S, snapshot=name)
        return snapshot

    async def _disk(
        self, restore: VirtualMachineRestore, snapshot: VirtualMachineSnapshot, disk: RestoreDisk
    ) -> _Disk:
        kept = next((item for item in snapshot.status.disks if item.name == disk.name), None)
        if kept is None or not (disk.pool and disk.volume and disk.volume_uid):
            raise as_error(PermanentError, "DiskMissing", snapshot=snapshot.metadata.name, disk=disk.name)
        about = {"disk": disk.name, "snapshot": snapshot.metadata.name, "volume": kept.volume or ""}
        if kept.volume_uid != disk.volume_uid:
            raise as_error(PermanentError, "DiskMissing", **about)
        volume = await self._volume(restore, disk.volume)
        if volume is None or volume.metadata.uid != disk.volume_uid:
            raise as_error(PermanentError, "DiskMissing", **about)
        pool = await self.tools.pools.pool(kept.pool)
        place = pool.place(volume.status.handle or volume.metadata.uid)
        where = place_of_disk(pool, snapshot.metadata.uid, disk.name, disk.volume_uid)
        found, host, elsewhere = volume.status, self.tools.host, dict[str, str]()
        if found.pool != kept.pool:
            elsewhere = about | {"pool": found.pool or "", "before": kept.pool or ""}
        elif place.is_local and found.host not in (None, host):
            elsewhere = {"disk": disk.name, "snapshot": about["snapshot"], "host": found.host, "place": host}
        return _Disk(disk.name, volume, elsewhere, pool, place, where)

    async def _volume(self, restore: VirtualMachineRestore, name: str) -> Volume | None:
        try:
            return model_of(Volume, await self.tools.api.get(VOLUMES, name, restore.metadata.namespace))
        except NotFound:
            return None

    def _check_places(self, disks: Sequence[_Disk]) -> None:
        """Where a disk is not where it was, and nothing is half set back, that is the end of it: nobody would
        want it to happen whenever the disk is back. An API that was restored may not know where it is.
        """
        elsewhere = next((disk.elsewhere for disk in disks if disk.elsewhere), None)
        if elsewhere is None:
            return
        begun = any(self._claim(disk).restoring for disk in disks if not disk.elsewhere)
        if begun or elsewhere.get("pool") == "":
            raise as_wait("DiskMissing", _AGAIN_S, **elsewhere)
        raise as_error(PermanentError, "DiskMissing", **elsewhere)

    async def is_vm_gone(self, restore: VirtualMachineRestore) -> bool:
        """Whether the VM is gone, or is being deleted. Raises ApiError."""
        vm = await self._vm(restore)
        return vm is None or vm.deleting

    async def _check_vm(self, restore: VirtualMachineRestore, disks: Sequence[_Disk]) -> None:
        """One that is deleted needs no disks: it waits no longer for them than until each is either what it
        was, or goes with the VM.
        """
        if not await self.is_vm_gone(restore):
            return
        owner = restore.status.virtual_machine_uid or ""
        claims = [(disk, await asyncio.to_thread(self._claim, disk)) for disk in disks]
        if any(is_half(claim) and not _goes_with(disk.volume, owner) for disk, claim in claims):
            return
        await self._give_up(disks)
        about = {"gone": restore.spec.virtual_machine, "snapshot": restore.spec.snapshot}
        raise as_error(PermanentError, "VirtualMachineNotFound", **about)

    def _is_done(self, disks: Sequence[_Disk], uid: str) -> bool:
        """Whether all was set back before, and only claims are to be given back."""
        return any(claim.restored == uid for claim in map(self._claim, disks))

    async def _check_there(self, restore: VirtualMachineRestore, disks: Sequence[_Disk]) -> None:
        """Before any disk is changed."""
        uid = restore.status.snapshot_uid or ""
        for disk in disks:
            call = partial(self.tools.storage.is_there, disk.pool, uid, disk.name, disk.volume_uid)
            if not await asyncio.to_thread(call):
                raise as_error(PermanentError, "DataMissing", place=disk.kept.shown)

    def _claim(self, disk: _Disk) -> Claim:
        claim = self.tools.vms.claims.read(disk.place)
        if claim is None:
            raise as_error(TransientError, "DataDamaged", unclaimed=disk.place.shown_whole)
        return claim

    def _change(self, disk: _Disk, change: Callable[[Claim], Claim]) -> None:
        claim = self._claim(disk)
        # in Ceph always: what an earlier process asked, and gave up, may still be done
        rewrite = not disk.place.is_local
        self.tools.vms.claims.compare_and_set(disk.place, claim, change(claim), rewrite=rewrite)

    async def _begin(self, restore: VirtualMachineRestore, disks: Sequence[_Disk], disk: _Disk) -> None:
        """An API that was restored, or a host that stood still for long, may ask again for what the VM has
        long written on from. The write that takes the claim decides that, or it could come in between.
        """
        uid, epoch, tools = restore.metadata.uid, restore.status.epoch, self.tools

        def begun(claim: Claim) -> Claim:
            return begin_restore(claim, tools.host, uid, tools.cluster_uid, epoch=epoch)

        try:
            await asyncio.to_thread(self._change, disk, begun)
        except ClaimRefusedError as refused:
            if refused.reason != "ClaimStale":
                raise
            await self._give_up(disks)
            about = {"disk": disk.name, "floor": written_under(self._claim(disk)), "epoch": epoch}
            raise as_error(PermanentError, "ClaimStale", **about) from refused

    async def _give_up(self, disks: Sequence[_Disk]) -> None:
        """Each disk that is not half set back is what it was, and free."""
        for disk in disks:
            claim = await asyncio.to_thread(self._claim, disk)
            if claim.restoring and not is_half(claim):
                await asyncio.to_thread(self.tools.storage.forget_put_back, disk.pool, disk.place)
                await asyncio.to_thread(self._change, disk, partial(give_up_restore, host=self.tools.host))

    async def _put_back(self, uid: str, disks: Sequence[_Disk], transfer: Transfer[bool]) -> None:
        storage = self.tools.storage
        local = [disk for disk in disks if isinstance(disk.pool, PoolDir)]
        stored = [await asyncio.to_thread(storage.stored_bytes, disk.pool, disk.kept) for disk in local]
        transfer.total_bytes, done_bytes = sum(stored) or None, 0

        async def put_back(disk: _Disk, share: Share | None = None) -> None:
            async def look() -> None:
                if share is not None:
                    copied = await asyncio.to_thread(storage.put_back_bytes, disk.pool, disk.place)
                    share.written_bytes = copied
                    transfer.on_progress(done_bytes + copied)

            await to_the_end(partial(storage.put_back, disk.pool, disk.kept, disk.place), look)

        for disk, needed in zip(local, stored, strict=True):
            with self.tools.room.share(disk.pool, needed, needed, _WHAT) as share:
                await self.tools.room.promise_or_wait(share, needed)
                await put_back(disk, share)
            done_bytes += needed
        # from here on no disk is what it was
        for disk in disks:
            await asyncio.to_thread(self._change, disk, partial(touch, host=self.tools.host, restore_uid=uid))
        for disk in disks:
            if disk not in local:
                await put_back(disk)
        for disk in local:
            await asyncio.to_thread(storage.switch_back, disk.pool, disk.place)

    async def _set_state_back(
        self, restore: VirtualMachineRestore, snapshot: VirtualMachineSnapshot, disks: Sequence[_Disk]
    ) -> None:
        """What firmware and TPM remembered, where the disk is set back beside which that lies."""
        of_vm = await self._volumes_of_vm(restore)
        first = of_vm[0] if of_vm else ""
        disk = next((disk for disk in disks if disk.volume_uid == first), None)
        home = await self.tools.pools.pool(snapshot.status.disks[0].pool)
        content = await asyncio.to_thread(self.tools.storage.state, home, snapshot.metadata.uid)
        if disk is not None and content is not None:
            await asyncio.to_thread(self._write_state, disk, content)

    async def _mark_memory(
        self, restore: VirtualMachineRestore, snapshot: VirtualMachineSnapshot, disks: Sequence[_Disk]
    ) -> None:
        """Have the next start go on with the memory, where all its disks are of that moment."""
        if restore.spec.memory == "Never" or not snapshot.spec.memory:
            return
        back = {disk.volume_uid for disk in disks}
        kept = {disk.volume_uid for disk in snapshot.status.disks}
        if not back == kept == set(await self._volumes_of_vm(restore)):
            return
        home = snapshot.status.disks[0].pool
        said = f"{restore.status.virtual_machine_uid}/{home}/{snapshot.metadata.uid}"
        for disk in disks:
            await asyncio.to_thread(self._change, disk, lambda claim: replace(claim, memory=said))

    async def _volumes_of_vm(self, restore: VirtualMachineRestore) -> tuple[str, ...]:
        """Of its disks as they are now, by UID; none of one that is gone."""
        vm = await self._vm(restore)
        resolved = vm.status.resolved if vm is not None else None
        return tuple(disk.volume_uid for disk in resolved.disks) if resolved else ()

    async def _vm(self, restore: VirtualMachineRestore) -> VirtualMachine | None:
        name, namespace = restore.spec.virtual_machine, restore.metadata.namespace
        try:
            vm = model_of(VirtualMachine, await self.tools.api.get(VIRTUAL_MACHINES, name, namespace))
        except NotFound:
            return None
        return vm if restore.status.virtual_machine_uid in (None, vm.metadata.uid) else None

    def _write_state(self, disk: _Disk, content: bytes) -> None:
        """As one that is newer than what any host has, or it would not count."""
        states = self.tools.storage.states
        before, kept = states.read(disk.place), parse_state(content)
        sequence = max(parse_state(before).sequence if before is not None else 0, kept.sequence) + 1
        self._change(disk, lambda claim: replace(claim, has_state=True))
        states.write(disk.place, render_state(replace(kept, sequence=sequence)))


def _goes_with(volume: Volume, vm_uid: str) -> bool:
    """Whether it is deleted with that VM, or already is being deleted."""
    owned = any(owner.uid == vm_uid for owner in volume.metadata.owner_references)
    return volume.deleting or (owned and not volume.spec.deletion_protection)
