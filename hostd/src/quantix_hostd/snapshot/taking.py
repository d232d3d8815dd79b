"""Takes snapshots, in the background: one task each, from the moment to when all of it is there.

Owned by the controller of snapshots, which decides what is begun and what becomes of what fails. What a task
has done is written down (`kept`) before the next step is taken. A guest stands still for no longer than a
call of the hypervisor's client, which comes to its end whatever becomes of the task.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog

from quantix_api import VirtualMachineSnapshot
from quantix_api.errors import InvariantError, TransientError, WaitingError
from quantix_api.message_table_phrases import (
    SNAPSHOT_GUEST_ENDED,
    SNAPSHOT_STATE_CHANGED,
    SNAPSHOT_TOO_LARGE,
    SNAPSHOT_UNKNOWN,
    SNAPSHOT_UNTOLD,
)
from quantix_api.messages import as_error, as_wait
from quantix_api.times import render_time
from quantix_hostd.claims import pools_in_ceph
from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.domainxml.spec import domain_name
from quantix_hostd.facts.copies import CopyProgress
from quantix_hostd.facts.moment import CopiedDisk, CopyStep, DisksCopy, Moment, MomentTaken
from quantix_hostd.snapshot.beginning import AGAIN_S, WHAT, Beginning, Begun
from quantix_hostd.snapshot.kept import Kept, KeptDisk
from quantix_hostd.snapshot.observed import WorkSeen
from quantix_hostd.snapshot.tools import SnapshotTools
from quantix_hostd.snapshot.undoing import try_thaw
from quantix_hostd.thread_calls import to_the_end
from quantix_hostd.transfer.room import Share
from quantix_hostd.transfer.transfers import Transfer, Transfers
from quantix_hostd.virtualmachine.apply_passphrases import unlocked
from quantix_hostd.virtualmachine.vm_ref import VmRef
from quantix_hostd.volume.recipe import Origin

STILL_S = 60.0
"""How long a guest whose memory is kept may stand still, beside that, until its disks are copied."""
_LOOK_S = 1.0
_NO_SPACE = "No space left"
_PASSING = frozenset({"LibvirtDown", "QEMUHangs"})

log = structlog.get_logger(__name__)


def _needs_stillness(kept: Kept) -> bool:
    """Whether more is of the moment than the disks that QEMU copies."""
    return kept.memory or any(disk.in_ceph for disk in kept.disks)


def _not_taken(why: str) -> TransientError:
    return as_error(TransientError, "SnapshotFailed", said=why.rstrip("."))


async def _reach(share: Share, measure: Callable[[], int]) -> None:
    """Account for what is written so far. Raises TransientError (PoolFull)."""
    share.written_bytes = await asyncio.to_thread(measure)
    await share.reach(share.written_bytes)


async def _until_it_goes_on(taking: Coroutine[Any, Any, MomentTaken]) -> MomentTaken:
    """A moment comes to its end, whatever becomes of its snapshot: until then nobody else is to act on the
    guest.
    """
    work = asyncio.create_task(taking)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait({work})
        if not work.cancelled() and work.exception() is not None:
            log.info("moment of a guest that nobody wants has failed", error=str(work.exception()))
        raise


class Taking:
    """One for a process. `on_end` hears the key of a snapshot whose task ended."""

    def __init__(self, tools: SnapshotTools, on_end: Callable[[str], None]) -> None:
        self._tools = tools
        self._beginning = Beginning(tools)
        self._transfers: Transfers[None] = Transfers("snapshot", on_end)
        self._untold: dict[str, str] = {}

    def seen(self, uid: str) -> WorkSeen:
        """The task as it is now."""
        transfer = self._transfers.get(uid, "")
        if transfer is None:
            return WorkSeen()
        progress = CopyProgress(*transfer.shown) if transfer.running and transfer.shown[1] else None
        return WorkSeen(transfer.running, progress, transfer.error, self._untold.get(uid, ""))

    def begin(self, snapshot: VirtualMachineSnapshot, kept: Kept) -> None:
        """Take it; `kept` is written down."""
        take = self._take_live if kept.live else self._take_idle
        self._transfers.begin(kept.uid, "", kept.key, partial(take, snapshot, kept))

    def go_on(self, kept: Kept) -> None:
        """With what an earlier process began to copy."""
        self._transfers.begin(kept.uid, "", kept.key, partial(self._copy_on, kept))

    async def forget(self, uid: str) -> None:
        """End its task, and forget how it went."""
        await self._transfers.forget(uid)
        self._untold.pop(uid, None)

    async def stop(self) -> None:
        """What goes on in QEMU goes on; the next process finds it."""
        await self._transfers.stop()

    async def _take_live(
        self, snapshot: VirtualMachineSnapshot, kept: Kept, transfer: Transfer[None]
    ) -> None:
        async with AsyncExitStack() as room:
            async with self._tools.guests.alone(kept.vm_uid):
                begun = await self._beginning.checked(snapshot, kept)
                promised = await room.enter_async_context(self._beginning.promised(begun))
                kept = await self._keep_moment(snapshot, begun)
            if kept.memory:
                promised.end_moment()
            await asyncio.to_thread(self._tools.kept.save, kept)
            await self._copy(kept, transfer, promised.disks)

    async def _keep_moment(self, snapshot: VirtualMachineSnapshot, begun: Begun) -> Kept:
        """It comes to pass; nobody else acts on the guest."""
        tools, kept = self._tools, begun.kept
        await asyncio.to_thread(tools.storage.begin_rest, begun.home, kept.uid)
        # QEMU copies nothing of a guest whose memory is kept (docs/adr/0050)
        copied = () if kept.memory else await self._blanks(begun)
        state = await asyncio.to_thread(self._beginning.state, begun)
        memory = str(tools.storage.memory_file(begun.home, kept.uid)) if kept.memory else ""
        moment = Moment(snapshot.spec.quiesce, copied, memory, still=_needs_stillness(kept))
        at, ref = render_time(datetime.now(UTC)), VmRef(kept.vm_uid, begun.seen.vm)
        encrypted = tuple(disk.volume for disk in kept.disks if disk.encrypted)
        places = tuple(disk.place for disk in begun.seen.disks if disk.place is not None)
        async with unlocked(tools.vms, ref, encrypted, pools_in_ceph(places)):
            taking = tools.vms.hypervisor.take_moment(
                domain_name(kept.vm_uid), moment, partial(self._keep_rest, begun, state)
            )
            taken = await _until_it_goes_on(taking)
        log.info("moment of a guest kept", uid=kept.uid, vm=kept.vm_uid, quiesced=taken.quiesced)
        return replace(kept, step="copying", quiesced=taken.quiesced, frozen=taken.frozen, taken_at=at)

    async def _blanks(self, begun: Begun) -> tuple[CopiedDisk, ...]:
        """An empty file for each disk that QEMU is to copy."""
        copied = []
        for disk, _, pool in begun.disks():
            if isinstance(pool, PoolDir):
                passphrase = await self._passphrase(begun, disk)
                about = (pool, begun.kept.uid, disk.name, disk.size_bytes, passphrase)
                path = await self._tools.storage.make_blank(*about)
                copied.append(CopiedDisk(disk.target, str(path), disk.volume_uid if disk.encrypted else ""))
        return tuple(copied)

    async def _passphrase(self, begun: Begun, disk: KeptDisk) -> str:
        if not disk.encrypted:
            return ""
        namespace = begun.seen.snapshot.metadata.namespace or ""
        volume = self._tools.vms.objects.volume(namespace, disk.volume)
        if volume is None:
            raise as_wait("DiskMissing", AGAIN_S, unmade=disk.name, name=begun.kept.vm)
        return await self._tools.passphrases.of(volume)

    def _keep_rest(self, begun: Begun, state: bytes | None) -> None:
        """What QEMU does not copy; `state`: of firmware and TPM, right before the moment. Blocks."""
        storage, kept, clock = self._tools.storage, begun.kept, self._tools.clock
        until_s = clock.monotonic() + STILL_S
        for disk, seen, pool in begun.disks():
            assert seen.place is not None
            if isinstance(pool, PoolRbd):
                storage.keep_in_ceph(pool, seen.place, kept.uid)
            elif kept.memory and not storage.keep_idle(
                pool, seen.place, kept.uid, disk.name, lambda: clock.monotonic() < until_s
            ):
                raise _not_taken(SNAPSHOT_TOO_LARGE)
        if self._beginning.keep_state(begun) != state and not _needs_stillness(kept):
            raise _not_taken(SNAPSHOT_STATE_CHANGED)

    async def _copy_on(self, kept: Kept, transfer: Transfer[None]) -> None:
        """As `_copy`, of what an earlier process was promised room for."""
        pools = await self._beginning.pools(kept)
        with ExitStack() as shares:
            share = {
                disk.name: shares.enter_context(self._beginning.share(pools[disk.pool], disk))
                for disk in kept.disks
            }
            await self._copy(kept, transfer, share)

    async def _copy(self, kept: Kept, transfer: Transfer[None], shares: Mapping[str, Share]) -> None:
        """Until QEMU has copied all; then it is whole. Raises TransientError (PoolFull, SnapshotInterrupted,
        SnapshotFailed).
        """
        pools, storage = await self._beginning.pools(kept), self._tools.storage
        local = [] if kept.memory else [disk for disk in kept.disks if not disk.in_ceph]
        while local:
            for disk in local:
                measure = partial(storage.written_bytes, pools[disk.pool], kept.uid, disk.name)
                await _reach(shares[disk.name], measure)
            if await self._is_copied(kept, transfer):
                break
            kept = await self._thawed(kept)
            await asyncio.sleep(_LOOK_S)
        kept = await self._thawed(kept)
        if kept.memory:
            await storage.keep_memory(pools[kept.home], kept.uid)
        await self._finish(kept, pools)

    async def _thawed(self, kept: Kept) -> Kept:
        """With a guest that is not left frozen while its disks are copied; how it is then."""
        return kept if await try_thaw(self._tools, kept) is not None else replace(kept, frozen=False)

    async def _is_copied(self, kept: Kept, transfer: Transfer[None]) -> bool:
        try:
            copy = await self._tools.vms.hypervisor.disks_copy(domain_name(kept.vm_uid))
        except TransientError as error:
            if error.reason in _PASSING:
                self._untold[kept.uid] = error.message.rstrip(".")
                return False
            copy = DisksCopy(CopyStep.FAILED, said=error.message)
        self._untold.pop(kept.uid, None)
        if copy.step is CopyStep.RUNNING and copy.progress is not None:
            transfer.total_bytes = copy.progress.total_bytes
            transfer.on_progress(copy.progress.done_bytes)
        if copy.step in (CopyStep.FAILED, CopyStep.NONE):
            raise await self._failure(kept, copy)
        return copy.step is CopyStep.DONE

    async def _failure(self, kept: Kept, copy: DisksCopy) -> TransientError:
        domain = await self._tools.vms.hypervisor.domain(domain_name(kept.vm_uid))
        if _NO_SPACE in copy.said:
            return as_error(TransientError, "PoolFull", what=WHAT, said=copy.said)
        if domain is None or not domain.active:
            return as_error(TransientError, "SnapshotInterrupted", what=SNAPSHOT_GUEST_ENDED)
        if copy.step is CopyStep.NONE:
            return as_error(TransientError, "SnapshotInterrupted", what=SNAPSHOT_UNKNOWN)
        return _not_taken(copy.said or SNAPSHOT_UNTOLD)

    async def _take_idle(
        self, snapshot: VirtualMachineSnapshot, kept: Kept, transfer: Transfer[None]
    ) -> None:
        begun = await self._beginning.checked(snapshot, kept)
        async with self._beginning.promised(begun) as promised, self._held_still(begun):
            at = datetime.now(UTC)
            storage = self._tools.storage
            await asyncio.to_thread(storage.begin_rest, begun.home, kept.uid)
            for disk, seen, pool in begun.disks():
                assert seen.place is not None
                call = partial(storage.keep_idle, pool, seen.place, kept.uid, disk.name)
                share = promised.disks[disk.name]
                measure = partial(storage.written_bytes, pool, kept.uid, disk.name)
                await to_the_end(call, partial(_reach, share, measure))
                share.end()
            await asyncio.to_thread(self._beginning.keep_state, begun)
        kept = replace(kept, quiesced="NotAsked", taken_at=render_time(at))
        await self._finish(kept, begun.pools)

    @asynccontextmanager
    async def _held_still(self, begun: Begun) -> AsyncIterator[None]:
        """Nobody begins to write to any of the disks meanwhile."""
        namespace = begun.seen.snapshot.metadata.namespace
        async with AsyncExitStack() as held:
            for disk, seen, _ in begun.disks():
                assert seen.place is not None
                origin = Origin(f"{namespace}/{disk.volume}", disk.volume_uid, seen.place, disk.size_bytes)
                try:
                    await held.enter_async_context(
                        self._tools.lending.lent(origin, begun.seen.snapshot.metadata.name)
                    )
                except TransientError as error:
                    if error.reason != "VolumeInUse" or isinstance(error, WaitingError | InvariantError):
                        raise
                    raise as_wait("Starting", AGAIN_S, starting=begun.kept.vm) from error
            yield

    async def _finish(self, kept: Kept, pools: dict[str, Pool]) -> None:
        """All of it is there."""
        storage = self._tools.storage
        for disk in kept.disks:
            await asyncio.to_thread(storage.publish, pools[disk.pool], kept.uid, disk.name)
        await asyncio.to_thread(storage.publish, pools[kept.home], kept.uid)
        await asyncio.to_thread(self._tools.kept.save, replace(kept, step="taken"))
        await asyncio.to_thread(storage.forget_memory, pools[kept.home], kept.uid)
        log.info("snapshot taken", uid=kept.uid, vm=kept.vm_uid, disks=len(kept.disks))
