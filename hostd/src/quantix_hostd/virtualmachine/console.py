"""Serial consoles: one reader for each guest, any number of viewers, and a guest that is never held up.

A connected client that does not read stops the guest, so hostd alone holds the socket and always drains it
into a bounded ring; a slow viewer loses data, not the guest. The reconciler attaches and detaches; hostd's
API opens viewers. One viewer at a time may write.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

# 200 guests: 13 MB. QEMU writes single bytes: one object for each would be forty times that
_RING_BYTES = 64 * 1024
_VIEWER_BYTES = 1024 * 1024
_READ_BYTES = 65536
# as much of what a viewer has not read is one message
_PIECE_BYTES = 16 * 1024
# what was typed and the guest has not read; more of it is lost
_TYPED_BYTES = 64 * 1024
_RECONNECT_S = 0.2
_LINES = 40
_WRITE_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class ConsoleData:
    data: bytes


@dataclass(frozen=True)
class ConsoleMode:
    """Sent when a viewer gains or loses the right to write."""

    read_only: bool


@dataclass(frozen=True)
class ConsoleOff:
    """The guest is off; nothing follows."""


ConsoleMessage = ConsoleData | ConsoleMode | ConsoleOff


class ConsoleViewer:
    """One person at one console. `next_message` and `write` belong to one task; `close` when it leaves."""

    def __init__(self, line: _Line) -> None:
        self._line = line
        self._messages: deque[bytearray | ConsoleMode | ConsoleOff] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()

    @property
    def read_only(self) -> bool:
        return self._line.writer_viewer is not self

    async def next_message(self) -> ConsoleMessage:
        """The next thing to show; waits for it."""
        while not self._messages:
            self._arrived.clear()
            await self._arrived.wait()
        message = self._messages.popleft()
        if not isinstance(message, bytearray):
            return message
        self._bytes -= len(message)
        return ConsoleData(bytes(message))

    async def write(self, data: bytes) -> bool:
        """Type into the guest; False when somebody else has the keyboard or the guest is off."""
        return not self.read_only and await self._line.write(data)

    def take(self) -> None:
        """Take the keyboard from whoever has it."""
        self._line.give_keyboard(self)

    def close(self) -> None:
        self._line.remove(self)

    def push(self, message: ConsoleMessage) -> None:
        """Called by the line; a viewer that does not read loses the oldest data."""
        if isinstance(message, ConsoleData):
            self._push_data(message.data)
        else:
            if isinstance(message, ConsoleMode):
                # told as it is now: others may take the keyboard from each other for ever
                self._messages = deque(item for item in self._messages if not isinstance(item, ConsoleMode))
            self._messages.append(message)
        self._arrived.set()

    def _push_data(self, data: bytes) -> None:
        last = self._messages[-1] if self._messages else None
        if isinstance(last, bytearray) and len(last) + len(data) <= _PIECE_BYTES:
            last += data
        else:
            self._messages.append(bytearray(data))
        self._bytes += len(data)
        while self._bytes > _VIEWER_BYTES:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        for position, message in enumerate(self._messages):
            if isinstance(message, bytearray):
                self._bytes -= len(message)
                del self._messages[position]
                return


class _Line:
    """The serial line of one guest."""

    def __init__(self, vm_uid: str, socket_path: Path, ring_bytes: int) -> None:
        self.vm_uid = vm_uid
        self.writer_viewer: ConsoleViewer | None = None
        self._path = socket_path
        self._ring_bytes = ring_bytes
        self._ring = bytearray()
        self._viewers: list[ConsoleViewer] = []
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"console {self.vm_uid}")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for viewer in self._viewers:
            viewer.push(ConsoleOff())

    def add(self, *, take: bool, lines: int) -> ConsoleViewer:
        viewer = ConsoleViewer(self)
        self._viewers.append(viewer)
        if take or self.writer_viewer is None:
            self.give_keyboard(viewer)
        else:
            viewer.push(ConsoleMode(read_only=True))
        said = last_lines(bytes(self._ring), lines)
        if said:
            viewer.push(ConsoleData(said))
        return viewer

    def remove(self, viewer: ConsoleViewer) -> None:
        if viewer in self._viewers:
            self._viewers.remove(viewer)
        if self.writer_viewer is viewer:
            self.writer_viewer = None
            if self._viewers:
                self.give_keyboard(self._viewers[0])

    def give_keyboard(self, viewer: ConsoleViewer) -> None:
        before, self.writer_viewer = self.writer_viewer, viewer
        if before is not None and before is not viewer:
            before.push(ConsoleMode(read_only=True))
        viewer.push(ConsoleMode(read_only=False))

    async def write(self, data: bytes) -> bool:
        if self._writer is None or self._writer.transport.get_write_buffer_size() > _TYPED_BYTES:
            return False
        try:
            self._writer.write(data)
            async with asyncio.timeout(_WRITE_TIMEOUT_S):
                await self._writer.drain()
        except (OSError, TimeoutError):
            return False  # the guest does not read its serial port, or has gone
        return True

    async def _run(self) -> None:
        """Connect whenever there is a socket, and read whatever comes, until cancelled."""
        while True:
            try:
                reader, self._writer = await asyncio.open_unix_connection(str(self._path))
            except OSError:
                await asyncio.sleep(_RECONNECT_S)
                continue
            try:
                while data := await reader.read(_READ_BYTES):
                    self._receive(data)
            except OSError as error:
                log.info("serial console closed", uid=self.vm_uid, error=str(error))
            finally:
                self._writer.close()
                self._writer = None
            await asyncio.sleep(_RECONNECT_S)

    def _receive(self, data: bytes) -> None:
        self._ring += data
        # cheap: what is deleted in front is only skipped (bytearray keeps an offset)
        del self._ring[: -self._ring_bytes]
        for viewer in self._viewers:
            viewer.push(ConsoleData(data))


def last_lines(said: bytes, lines: int) -> bytes:
    """The end of `said`: so many lines, the unfinished one among them. Pure."""
    return b"".join(said.splitlines(keepends=True)[-lines:]) if lines else b""


class ConsoleHub:
    """The consoles of this host's guests, by VM UID. For the event loop's thread only."""

    def __init__(self, ring_bytes: int = _RING_BYTES) -> None:
        self._ring_bytes = ring_bytes
        self._lines: dict[str, _Line] = {}

    def attach(self, vm_uid: str, socket_path: Path) -> None:
        """Read the console of a guest that runs; again for the same guest does nothing."""
        line = self._lines.get(vm_uid)
        if line is None:
            line = self._lines[vm_uid] = _Line(vm_uid, socket_path, self._ring_bytes)
        line.start()

    async def detach(self, vm_uid: str) -> None:
        """The guest is off: tell its viewers and forget its output. The log file keeps it."""
        line = self._lines.pop(vm_uid, None)
        if line is not None:
            await line.stop()

    def open(self, vm_uid: str, *, take: bool = False, lines: int = _LINES) -> ConsoleViewer | None:
        """A viewer of a guest's console, with the last `lines` that it said; None when the guest is off."""
        line = self._lines.get(vm_uid)
        return None if line is None else line.add(take=take, lines=lines)

    async def close(self) -> None:
        """hostd ends: let go of every socket. Guests run on."""
        for vm_uid in tuple(self._lines):
            await self.detach(vm_uid)
