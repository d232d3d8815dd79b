"""Receives files that become images, or disks of volumes, in the background: one for each object and pool.

Owned by whoever decides what is begun: `intake` for images, `volume.uploads` for volumes. What is begun again
while it runs goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.transfer.receive import Expectation, Incoming, receive_image
from quantix_hostd.transfer.received import Received
from quantix_hostd.transfer.room import Room
from quantix_hostd.transfer.seen import TransferSeen
from quantix_hostd.transfer.transfers import Transfer, Transfers

Work = Callable[[Transfer[Received]], Coroutine[Any, Any, Received]]
Keep = Callable[[Pool, str, Received], Coroutine[Any, Any, None]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Wanted:
    """What is to be received for the object with this key, `namespace/name`."""

    key: str
    expectation: Expectation

    @property
    def uid(self) -> str:
        return self.expectation.uid


class Receiving:
    """One for a process and kind, `what`. `room` is shared with all else that fills pools; `on_end` hears the
    key of an object whose transfer ended. `keep` takes a file that was checked to where it is to be; without,
    it is there already.
    """

    def __init__(
        self,
        what: str,
        qemu_img: QemuImg,
        room: Room,
        on_end: Callable[[str], None],
        keep: Keep | None = None,
    ) -> None:
        self._keep = keep
        self._what = what
        self._qemu_img = qemu_img
        self._room = room
        self._transfers: Transfers[Received] = Transfers(what, on_end)

    def seen(self, uid: str, pool: str) -> TransferSeen[Received] | None:
        """The transfer of this object into this pool as it is now, None when there was none."""
        transfer = self._transfers.get(uid, pool)
        return None if transfer is None else transfer.seen()

    def arriving(self, uid: str) -> bool:
        """Whether it is on its way into any pool, or it is remembered how that went."""
        return self._transfers.knows(uid)

    def begin(self, pool: Pool, wanted: Wanted, work: Work, *, queued: bool = False) -> Transfer[Received]:
        """Start `work`, unless the object is on its way into the pool already."""
        running = self._transfers.get(wanted.uid, pool.name)
        if running is not None and running.running:
            return running
        log.info(f"{self._what} is being received", key=wanted.key, uid=wanted.uid, pool=pool.name)
        begun = self._transfers.begin(wanted.uid, pool.name, wanted.key, work)
        begun.queued = queued
        return begun

    def take(self, pool: Pool, wanted: Wanted, incoming: Incoming) -> Transfer[Received]:
        """From somebody who sends it."""

        async def fetch(transfer: Transfer[Received]) -> Received:
            return await self.receive(pool, wanted, incoming, transfer)

        return self.begin(pool, wanted, fetch)

    async def receive(
        self, pool: Pool, wanted: Wanted, incoming: Incoming, transfer: Transfer[Received]
    ) -> Received:
        """As part of `work`: store what comes in. Raises as `receive_image`."""
        transfer.total_bytes = incoming.length_bytes
        transfer.resumed = incoming.offset_bytes > 0
        received = await receive_image(
            pool.received,
            wanted.expectation,
            incoming,
            self._qemu_img,
            room=self._room,
            on_progress=transfer.on_progress,
        )
        await self.keep(pool, wanted, received)
        kept = {"format": str(received.facts.format), "checksum": received.checksum}
        log.info(f"{self._what} kept", key=wanted.key, uid=wanted.uid, **kept)
        return received

    async def keep(self, pool: Pool, wanted: Wanted, received: Received) -> None:
        """As part of `work`: take what was checked to where it is to be. Raises QuantixError and OSError."""
        if self._keep is not None:
            await self._keep(pool, wanted.uid, received)

    async def forget(self, uid: str) -> None:
        """End what brings this object, into whichever pool."""
        await self._transfers.forget(uid)

    async def stop(self) -> None:
        """End all; of what is half there, only what a later transfer can go on from is kept."""
        await self._transfers.stop()
