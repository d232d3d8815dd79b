"""Sends a file to the host that waits for it, and goes on where the last connection broke off.

Used by `qx image upload` and `qx volume upload`. The host tells how far it came and the sum of that; only who
has the same bytes goes on, everybody else begins anew.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import aiohttp

from quantix_cli import hostd
from quantix_cli.exits import CommandError, Exit
from quantix_cli.measures import size
from quantix_cli.progress_bar import ProgressBar
from quantix_cli.session import Session

_CHUNK_BYTES = 1 << 20
_MOST_BREAKS = 5
_LONGEST_WAIT_S = 10.0


@dataclass(frozen=True)
class Parcel:
    """A file, and the `name` and `noun` that it is sent for. `waiting_host` waits for who takes it."""

    file: Path
    name: str
    path: str
    waiting_host: Callable[[], Awaitable[str]]
    noun: str = "image"

    @property
    def length_bytes(self) -> int:
        return self.file.stat().st_size


class _BrokeOffError(Exception):
    """The connection ended before the host's answer."""

    def __init__(self, host: str, error: aiohttp.ClientError, sent_bytes: int) -> None:
        super().__init__(str(error))
        self.host, self.error, self.sent_bytes = host, error, sent_bytes


async def send(session: Session, parcel: Parcel) -> str:
    """Send the whole file, over as many connections as it takes; the sha256 that the host found.

    Raises CommandError when the host refuses the file, or five connections in a row bring nothing.
    """
    breaks = 0
    while True:
        try:
            return await _send_once(session, parcel, await parcel.waiting_host())
        except _BrokeOffError as broke:
            breaks = 1 if broke.sent_bytes else breaks + 1
            if breaks >= _MOST_BREAKS:
                raise hostd.unreachable(broke.host, broke.error) from broke.error
            said = f"{parcel.name}: the connection to {broke.host} broke off; it is tried again."
            session.terminal.note(said)
            await asyncio.sleep(min(2.0**breaks, _LONGEST_WAIT_S))


async def _send_once(session: Session, parcel: Parcel, host: str) -> str:
    bar, sending = ProgressBar(parcel.name, session.terminal), _Sending(parcel)
    try:
        async with hostd.reach(session, host) as api:
            url = api.url(parcel.path)
            async with api.http.get(url) as response:
                if response.status >= 300:
                    raise await hostd.explain_refusal(response, host)
                await sending.go_on_from(await response.json())
            if sending.offset_bytes:
                kept = f"{size(sending.offset_bytes)} of {size(sending.length_bytes)}"
                session.terminal.note(f"{parcel.name}: {host} has {kept}; it goes on from there.")
            with parcel.file.open("rb") as opened:
                body = sending.chunks(opened, bar)
                async with api.http.put(url, data=body, headers=sending.headers) as response:
                    if response.status >= 300:
                        raise await hostd.explain_refusal(response, host)
                    found = str((await response.json())["checksum"]).removeprefix("sha256:")
    except aiohttp.ClientError as error:
        raise _BrokeOffError(host, error, sending.sent_bytes) from error
    finally:
        bar.erase()
    if found != sending.digest.hexdigest():
        raise CommandError(
            Exit.FAILED,
            f"{parcel.file.name} changed while it was sent: {host} has a file of sha256 {found}.",
            f"qx {parcel.noun} delete {parcel.name}, and send it again",
        )
    return found


class _Sending:
    """One connection's part of a file."""

    def __init__(self, parcel: Parcel) -> None:
        self._file = parcel.file
        self.length_bytes = parcel.length_bytes
        self.offset_bytes = self.sent_bytes = 0
        self.digest = hashlib.sha256()

    @property
    def headers(self) -> dict[str, str]:
        rest = {"Content-Length": str(self.length_bytes - self.offset_bytes)}
        if self.offset_bytes:
            place = f"bytes {self.offset_bytes}-{self.length_bytes - 1}/{self.length_bytes}"
            rest["Content-Range"] = place
        return rest

    async def go_on_from(self, kept: dict[str, object]) -> None:
        """Begin after what the host keeps, if that is the beginning of this very file."""
        offset = int(str(kept.get("offsetBytes", 0)))
        if not 0 < offset < self.length_bytes or kept.get("lengthBytes") != self.length_bytes:
            return
        digest = await asyncio.to_thread(_digest_of, self._file, offset)
        if kept.get("checksum") == f"sha256:{digest.hexdigest()}":
            self.offset_bytes, self.digest = offset, digest

    async def chunks(self, opened: BinaryIO, bar: ProgressBar) -> AsyncIterator[bytes]:
        """What is left of the file, which is the caller's to close: when a connection breaks off, aiohttp may
        hold on to what it was sending, and nobody ends that.
        """
        opened.seek(self.offset_bytes)
        while chunk := await asyncio.to_thread(opened.read, _CHUNK_BYTES):
            self.digest.update(chunk)
            yield chunk
            self.sent_bytes += len(chunk)
            bar.show(self.offset_bytes + self.sent_bytes, self.length_bytes)


def _digest_of(file: Path, length_bytes: int) -> hashlib._Hash:
    """Of the file's first bytes."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while length_bytes and (chunk := opened.read(min(_CHUNK_BYTES, length_bytes))):
            digest.update(chunk)
            length_bytes -= len(chunk)
    return digest
