"""Fetches the file of an image: from another host that has it, else from the server of its URL.

Used by `intake`. A host that breaks off is followed by the next one, which goes on from there. While all that
could send it have no turn for it, it waits, and asks again who has it by then: of many hosts that want one
image, those that got it first serve the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import structlog

from quantix_api import Image
from quantix_api.errors import PermanentError, QuantixError, WaitingError
from quantix_api.message_table_phrases import SENDS_ANOTHER
from quantix_api.messages import as_wait
from quantix_client.clock import Clock, SystemClock
from quantix_client.errors import ApiError
from quantix_hostd.clients.http_download import Download, Kept
from quantix_hostd.clients.http_source import HttpSource
from quantix_hostd.clients.peer_source import BusyPeerError, PeerSource, validator_of, why_of
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.image.holders import Holders
from quantix_hostd.image.status import lost_file
from quantix_hostd.image.wanted import wanted_of
from quantix_hostd.peers import Peer, named
from quantix_hostd.transfer.draft import Note, read_note
from quantix_hostd.transfer.receive import Incoming
from quantix_hostd.transfer.received import Received
from quantix_hostd.transfer.receiving import Receiving
from quantix_hostd.transfer.transfers import Transfer
from quantix_hostd.transfer.turns import Limits, Turns

_DOWNLOADS = Limits(at_once=16, of_namespace=4)
_BUSY_S = 5.0
_AWAY_S = 15.0
# what may be better with another sender
_OF_SENDER = frozenset({"ImageUnreachable", "ChecksumMismatch"})

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class OtherHosts:
    """Who has images, and how they are asked for them; `clock` is waited by while they are busy."""

    holders: Holders
    source: PeerSource
    clock: Clock = field(default_factory=SystemClock)


class Fetching:
    """One for a process. `servers` asks those of URLs; `receiving` does the work. Without `hosts` there are
    no others.
    """

    def __init__(
        self,
        servers: HttpSource,
        receiving: Receiving,
        hosts: OtherHosts | None = None,
    ) -> None:
        self._servers = servers
        self._receiving = receiving
        self._hosts = hosts
        self._turns = Turns(_DOWNLOADS)

    def is_queued(self, image: Image) -> bool:
        """Whether it would have to wait for its turn now."""
        return self._turns.all_taken(image.metadata.namespace or "")

    async def fetch(self, pool: PoolDir, image: Image, transfer: Transfer[Received]) -> Received:
        """Have it in the pool, once it is the namespace's turn; after what is kept of a broken transfer.

        Raises QuantixError: ImageUnreachable where nobody sends it, WaitingForUpload where nobody has it.
        """
        while True:
            transfer.queued = self.is_queued(image)
            async with self._turns.turn(image.metadata.namespace or ""):
                transfer.queued = False
                received = await self._from_anybody(pool, image, transfer)
            if received is not None:
                return received
            assert self._hosts is not None
            await self._hosts.clock.sleep(_BUSY_S)

    async def _from_anybody(
        self, pool: PoolDir, image: Image, transfer: Transfer[Received]
    ) -> Received | None:
        """None while those that have it, and answer, are busy."""
        troubles: dict[str, str] = {}
        busy: list[str] = []
        for peer in await self._peers(image):
            try:
                return await self._from_host(peer, pool, image, transfer)
            except BusyPeerError:
                busy.append(peer.name)
            except QuantixError as error:
                if error.reason not in _OF_SENDER:
                    raise
                log.info("image not copied", image=image.key, sender=peer.name, said=str(error))
                wrong = error.reason == "ChecksumMismatch"
                troubles[peer.name] = SENDS_ANOTHER if wrong else why_of(error)
        transfer.sender, transfer.busy = "", named(busy) if busy else ""
        if busy:
            return None
        if image.spec.url is None:
            raise _nobody(image, troubles)
        return await self._from_server(pool, image, transfer)

    async def _peers(self, image: Image) -> tuple[Peer, ...]:
        if self._hosts is None:
            return ()
        try:
            return await self._hosts.holders.of(image)
        except ApiError:
            if image.spec.url is None:
                raise
            return ()

    async def _from_host(
        self, peer: Peer, pool: PoolDir, image: Image, transfer: Transfer[Received]
    ) -> Received:
        """What came from another host before is gone on with, unless it is found to be something else."""
        validator = validator_of(image.status.checksum or "")
        note = await asyncio.to_thread(read_note, pool, image.metadata.uid)
        note = note if note is not None and note.validator == validator else None
        try:
            return await self._take_from(peer, pool, image, transfer, note)
        except QuantixError as error:
            gone = await asyncio.to_thread(read_note, pool, image.metadata.uid) is None
            if note is None or not gone or error.reason not in _OF_SENDER:
                raise
        return await self._take_from(peer, pool, image, transfer, None)

    async def _take_from(
        self, peer: Peer, pool: PoolDir, image: Image, transfer: Transfer[Received], note: Note | None
    ) -> Received:
        assert self._hosts is not None
        if note is not None and note.offset_bytes == note.length_bytes:
            return await self._receiving.receive(pool, wanted_of(image), _whole(note), transfer)
        checksum = image.status.checksum or ""
        async with self._hosts.source.open(peer, image.key, checksum, _kept(note)) as found:
            transfer.sender, transfer.busy = named([peer.name]), ""
            return await self._receiving.receive(pool, wanted_of(image), _incoming(found), transfer)

    async def _from_server(self, pool: PoolDir, image: Image, transfer: Transfer[Received]) -> Received:
        try:
            return await self._download(pool, image, transfer)
        except PermanentError as error:
            if error.reason != "ChecksumMismatch" or not transfer.resumed:
                raise
        # put together of two that differ, whatever the server said: all of it, once
        return await self._download(pool, image, transfer)

    async def _download(self, pool: PoolDir, image: Image, transfer: Transfer[Received]) -> Received:
        note = await asyncio.to_thread(read_note, pool, image.metadata.uid)
        if note is not None and note.offset_bytes == note.length_bytes:
            return await self._receiving.receive(pool, wanted_of(image), _whole(note), transfer)
        async with self._servers.open(image.spec.url or "", _kept(note)) as found:
            return await self._receiving.receive(pool, wanted_of(image), _incoming(found), transfer)


def _kept(note: Note | None) -> Kept | None:
    return Kept(note.offset_bytes, note.length_bytes, note.validator) if note else None


def _incoming(found: Download) -> Incoming:
    resumable = bool(found.validator and found.length_bytes)
    return Incoming(
        found.chunks, found.length_bytes, found.offset_bytes, found.validator, resumable=resumable
    )


def _whole(note: Note) -> Incoming:
    """What is left of a file that is there whole, and was not looked at yet."""
    return Incoming(_nothing(), note.length_bytes, note.offset_bytes, note.validator, resumable=True)


async def _nothing() -> AsyncIterator[bytes]:
    chunks: tuple[bytes, ...] = ()
    for chunk in chunks:
        yield chunk


def _nobody(image: Image, troubles: Mapping[str, str]) -> WaitingError:
    if not troubles:
        return as_wait("WaitingForUpload", _AWAY_S, **lost_file(image))
    alone = len(troubles) == 1
    why = "; ".join(said if alone else f"{name}: {said}" for name, said in troubles.items())
    about = {"image": image.metadata.name, "holders": named(troubles)}
    return as_wait("ImageUnreachable", _AWAY_S, **about, why=why)
