"""Brings images into the pools of this host, in the background, and checks what lies there.

They come from another host or a server, from another pool, or from somebody who sends them. Owned by the
image controller, which decides what is begun. What is begun again while it runs goes on.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from quantix_api import Image
from quantix_api.message_table_phrases import ANOTHER_HOST
from quantix_hostd.clients.http_source import HttpSource
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.qemu_img import QemuImg
from quantix_hostd.image.fetching import Fetching, OtherHosts
from quantix_hostd.image.wanted import wanted_of
from quantix_hostd.transfer.receive import Incoming, check_file, hash_file, read_chunks
from quantix_hostd.transfer.received import Received
from quantix_hostd.transfer.receiving import Receiving
from quantix_hostd.transfer.seen import TransferSeen
from quantix_hostd.transfer.transfers import Transfer


class Intake:
    """One for a process. `receiving` does the work; `source` asks servers, `hosts` are the others."""

    def __init__(
        self, source: HttpSource, qemu_img: QemuImg, receiving: Receiving, hosts: OtherHosts | None = None
    ) -> None:
        self._qemu_img = qemu_img
        self._receiving = receiving
        self._fetching = Fetching(source, receiving, hosts)

    def seen(self, uid: str, pool: str) -> TransferSeen[Received] | None:
        """The transfer of this image into this pool as it is now, None when there was none."""
        return self._receiving.seen(uid, pool)

    def arriving(self, uid: str) -> bool:
        """Whether this image is on its way into any pool, or it is remembered how that went."""
        return self._receiving.arriving(uid)

    def shown(self, uid: str) -> tuple[int, int | None]:
        """Bytes done and in all of what brings this image into any pool, as reported; (0, None) for none."""
        return self._receiving.shown(uid)

    def download(self, pool: PoolDir, image: Image) -> Transfer[Received]:
        """From another host that has it, else from the image's server."""

        async def fetch(transfer: Transfer[Received]) -> Received:
            return await self._fetching.fetch(pool, image, transfer)

        # `fetch` says so anew, but what is reported now comes before its first step
        queued = self._fetching.is_queued(image)
        begun = self._receiving.begin(pool, wanted_of(image), fetch, queued=queued)
        if image.spec.url is None and not begun.sender:
            begun.sender = ANOTHER_HOST
        return begun

    def copy(self, pool: PoolDir, image: Image, source: Path) -> Transfer[Received]:
        """From a file of this host."""

        async def fetch(transfer: Transfer[Received]) -> Received:
            size = (await asyncio.to_thread(source.stat)).st_size
            return await self._receiving.receive(
                pool, wanted_of(image), Incoming(read_chunks(source), size), transfer
            )

        return self._receiving.begin(pool, wanted_of(image), fetch)

    def verify(self, pool: PoolDir, image: Image) -> Transfer[Received]:
        """Check the file that lies in the pool."""
        path = pool.image(image.metadata.uid)

        async def check(_: Transfer[Received]) -> Received:
            checksum = await hash_file(path)
            return Received(
                await check_file(path, wanted_of(image).expectation, pool, self._qemu_img), checksum
            )

        return self._receiving.begin(pool, wanted_of(image), check)

    async def forget(self, uid: str) -> None:
        """End what brings this image, into whichever pool."""
        await self._receiving.forget(uid)

    async def stop(self) -> None:
        """End all; of what is half there, only what a later transfer can go on from is kept."""
        await self._receiving.stop()
