"""Takes files from people who send them: one at a time for each object, and after what is kept of it.

Used for images and for volumes, whose owners say first that they wait for a file (`image.controller`,
`volume.uploads`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from quantix_api.errors import PermanentError
from quantix_hostd.clients.pool import Pool
from quantix_hostd.transfer.draft import Note, read_note
from quantix_hostd.transfer.receive import Incoming
from quantix_hostd.transfer.received import Received
from quantix_hostd.transfer.receiving import Receiving, Wanted
from quantix_hostd.transfer.upload_slots import UploadSlots

_ANOTHER = "another sends it at this moment"


class UploadDesk:
    """One for a kind; `slots` are shared by all kinds. `look_again` puts a key into its queue; `takes_none`
    makes a refusal (NotWaiting) of a key and the reason.
    """

    def __init__(
        self,
        receiving: Receiving,
        slots: UploadSlots,
        look_again: Callable[[str], None],
        takes_none: Callable[[str, str], PermanentError],
    ) -> None:
        self._receiving = receiving
        self._slots = slots
        self._look_again = look_again
        self._takes_none = takes_none

    def check(self, pool: Pool, wanted: Wanted) -> None:
        """Raises PermanentError (NotWaiting) while another sends it, and TransientError (TooManyUploads)."""
        self._refuse_second(pool, wanted)
        self._slots.check(_namespace(wanted))

    async def kept(self, pool: Pool, wanted: Wanted) -> Note | None:
        """What an upload that broke off left. Raises as `check`."""
        self.check(pool, wanted)
        return await asyncio.to_thread(read_note, pool.received, wanted.uid)

    async def take(
        self,
        pool: Pool,
        wanted: Wanted,
        chunks: AsyncIterator[bytes],
        length_bytes: int,
        offset_bytes: int = 0,
    ) -> Received:
        """Receive a file of `length_bytes`, from its beginning or after the bytes that are kept of it.

        Raises QuantixError: NotWaiting when another sends it or other bytes are kept, TooManyUploads, else
        as `receive_image`.
        """
        if offset_bytes:
            note = await asyncio.to_thread(read_note, pool.received, wanted.uid)
            kept = (note.offset_bytes, note.length_bytes) if note else (0, length_bytes)
            if kept != (offset_bytes, length_bytes):
                raise self._takes_none(wanted.key, f"{kept[0]} bytes are kept of a file of {kept[1]}")
        self._refuse_second(pool, wanted)
        incoming = Incoming(chunks, length_bytes, offset_bytes, resumable=True)
        with self._slots.slot(_namespace(wanted)):
            transfer = self._receiving.take(pool, wanted, incoming)
            assert transfer.task is not None
            # nothing else lets it be looked at, and told how far it has come
            self._look_again(wanted.key)
            await asyncio.wait({transfer.task})
        if transfer.received is None:
            raise transfer.error or self._takes_none(wanted.key, "it was deleted meanwhile")
        return transfer.received

    def _refuse_second(self, pool: Pool, wanted: Wanted) -> None:
        before = self._receiving.seen(wanted.uid, pool.name)
        if before is not None and before.running:
            raise self._takes_none(wanted.key, _ANOTHER)


def _namespace(wanted: Wanted) -> str:
    return wanted.key.partition("/")[0]
