"""What the VM that has a volume does to bring it into another pool, and what it tells of that.

Shared by the reconciler of VMs, whose QEMU does the copying, and the controller of volumes, which reports it
and clears up. What is where is told by claims (`moves`); what is kept here only says who is at it, and comes
back after a restart of hostd with the first look at each VM.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from quantix_api.host_spec import HostSpec
from quantix_client.clock import Clock
from quantix_hostd.claims import Claim, VolumePlace
from quantix_hostd.clients.pool import Pool
from quantix_hostd.facts.copies import CopyProgress, LiveMove, OtherCopies
from quantix_hostd.pools import HostPools
from quantix_hostd.transfer.turns import DISK_COPIES
from quantix_hostd.volume.storage import StorageByKind

# where guests write, as in `transfer.room`
_KEEP_FREE_PERCENT = 5
# who waits looks every 10 s
_QUEUED_S = 60.0


@dataclass
class LiveMoves:
    """One for a process. `on_change` hears the key of a volume about which something new is known."""

    pools: HostPools
    maker: StorageByKind
    on_change: Callable[[str], None]
    host: Callable[[], HostSpec]
    clock: Clock
    _told: dict[str, Mapping[str, LiveMove]] = field(default_factory=dict)
    """By UID of the VM, then of the volume."""
    _queue: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Who waits for a turn, in the order of arrival: UID of the volume → namespace, and when it was told."""
    _came: dict[str, tuple[int, float]] = field(default_factory=dict)
    """How far each copy has come, and since when."""

    @property
    def bytes_per_second(self) -> int:
        """How fast each copy is made that begins now."""
        spec = self.host()
        return spec.disk_copies.bytes_in_a_second

    async def pool(self, name: str) -> Pool:
        """As `HostPools.pool`."""
        return await self.pools.pool(name)

    async def free_bytes(self, pool: Pool) -> int | None:
        """What a copy may take of the pool: its last 5 % are kept for guests; None where nobody tells it.
        Raises OSError, and as `HostPools.ask`.
        """
        space = await self.pools.ask(pool, pool.space)
        if not space.capacity_bytes:
            return None
        return space.available_bytes - space.capacity_bytes * _KEEP_FREE_PERCENT // 100

    def stored_bytes(self, place: VolumePlace) -> int:
        """As `VolumeStorage.stored_bytes`."""
        return self.maker.stored_bytes(place)

    async def try_passphrase(self, place: VolumePlace, passphrase: str) -> None:
        """As `VolumeStorage.try_passphrase`."""
        await self.maker.try_passphrase(place, passphrase)

    async def make_copy(
        self, pool: str, handle: str, size_bytes: int, claim: Claim, passphrase: str = ""
    ) -> None:
        """As `VolumeStorage.make_blank_copy`."""
        await self.maker.make_blank_copy(await self.pool(pool), handle, size_bytes, claim, passphrase)

    async def remove_copy(self, pool: str, handle: str) -> None:
        """Remove one that nobody may have. Raises as `VolumeStorage.remove`, and TransientError where the
        pool does not answer.
        """
        where = await self.pool(pool)
        if await self.pools.ask(where, partial(where.has_any_of, handle)):
            # takes as long as its data is large: a pool that is slow at it is not silent
            await asyncio.to_thread(self.maker.remove, where, handle)

    def others(self, uid: str, namespace: str) -> OtherCopies:
        """Which copies are made for running guests beside that of the volume with this UID, and which of
        those that wait come first: without them a namespace that asks at the right moment would keep others
        waiting for ever. Who was not heard for a minute keeps nobody waiting.
        """
        has = Counter(
            move.namespace
            for moves in self._told.values()
            for volume_uid, move in moves.items()
            if move.copying and not move.idle and volume_uid != uid
        )
        now_s = self.clock.monotonic()
        for queued, (of_namespace, told_s) in self._queue.items():
            if queued == uid:
                break
            if now_s - told_s < _QUEUED_S and DISK_COPIES.admit(has.total(), has[of_namespace]):
                has[of_namespace] += 1
        return OtherCopies(has.total(), has[namespace])

    def still_s(self, uid: str, progress: CopyProgress | None) -> float:
        """How long the copy of this volume has come no further."""
        if progress is None:
            self._came.pop(uid, None)
            return 0.0
        now_s = self.clock.monotonic()
        done_bytes, since_s = self._came.get(uid, (-1, now_s))
        if done_bytes != progress.done_bytes:
            self._came[uid] = (progress.done_bytes, now_s)
            return 0.0
        return now_s - since_s

    def take_turn(self, vm_uid: str, uid: str, move: LiveMove) -> bool:
        """Count the volume of this VM among those that are copied until `tell` says otherwise; False, and
        nothing is changed, where as many are as may be.
        """
        others = self.others(uid, move.namespace)
        if not DISK_COPIES.admit(others.on_host, others.of_namespace):
            return False
        self.tell(vm_uid, {**self._told.get(vm_uid, {}), uid: replace(move, copying=True)})
        return True

    def tell(self, vm_uid: str, moves: Mapping[str, LiveMove]) -> None:
        """All that is known now of the moves of this VM's volumes, by their UIDs."""
        before = self._told.pop(vm_uid, {})
        if moves:
            self._told[vm_uid] = moves
        self._line_up(before, moves)
        for uid in {**before, **moves}:
            old, new = before.get(uid), moves.get(uid)
            known = new or old
            if known is not None and _is_news(old, new):
                self.on_change(known.key)

    def _line_up(self, before: Mapping[str, LiveMove], moves: Mapping[str, LiveMove]) -> None:
        for uid in {**before, **moves}:
            move = moves.get(uid)
            if move is not None and move.queued:
                # who is in the queue keeps its place
                self._queue[uid] = (move.namespace, self.clock.monotonic())
            else:
                self._queue.pop(uid, None)
            if move is None or not move.copying:
                self._came.pop(uid, None)

    def seen(self, uid: str) -> LiveMove | None:
        """What is known of the move of the volume with this UID."""
        return next((moves[uid] for moves in self._told.values() if uid in moves), None)


def _is_news(old: LiveMove | None, new: LiveMove | None) -> bool:
    """Whether it began, ended, or is kept from going on since, or no more."""
    if old is None or new is None:
        return old is not new
    return (old.error is None) != (new.error is None)
