"""This machine: KVM, room on its disks and for their guests, its clock."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from quantix_api.asynchronous_io import OF_A_GUEST, OF_MANY_GUESTS
from quantix_api.kvm import PLACES, obstacle
from quantix_api.layout import Layout
from quantix_api.message_text import cause_of
from quantix_api.messages import render
from quantix_cli.doctor.findings import KVM, Finding, good, note, problem
from quantix_cli.measures import size

_LEAST_FREE_BYTES = 2 << 30
_LEAST_FREE_PERCENT = 5
# adjtimex(2): what it returns when nothing keeps the clock right; struct timex has 208 bytes
_TIME_ERROR = 5
_TIMEX_BYTES = 256
_AIO = Path("/proc/sys/fs")
_FEW_GUESTS = 10


@dataclass(frozen=True)
class Room:
    """A file system of ours: which directory lies on it, and its figures."""

    directory: Path
    total_bytes: int
    free_bytes: int
    files: int
    free_files: int


def kvm(host: str) -> list[Finding]:
    """Whether guests can be run by the CPU itself, as far as can be told without trying."""
    found = obstacle()
    if found is not None:
        return [unusable(host, found)]
    if not os.access(PLACES.device, os.R_OK | os.W_OK):
        return [note(KVM, "it is there, but not for this user", "qx doctor as root")]
    return [good(KVM, "it is there and may be used")]


def unusable(host: str, found: Mapping[str, str]) -> Finding:
    """In the words of the Host's own condition (docs/troubleshooting.md). Pure."""
    message = render("KVMUnusable", host=host, **found)
    return note(KVM, cause_of(message.sentence), message.hint)


def disks(layout: Layout) -> list[Finding]:
    """Room in the file systems that the installation writes to, each once."""
    return [judged(room) for room in rooms((layout.data, layout.local_pool, layout.log, layout.cache))]


def rooms(directories: Iterable[Path]) -> list[Room]:
    """The file systems of these directories, or of what is above them where they are not there."""
    found: dict[int, Room] = {}
    for directory in directories:
        there = next(path for path in (directory, *directory.parents) if path.exists())
        seen = os.statvfs(there)
        room = Room(
            directory,
            seen.f_blocks * seen.f_frsize,
            seen.f_bavail * seen.f_frsize,
            seen.f_files,
            seen.f_favail,
        )
        found.setdefault(there.stat().st_dev, room)
    return list(found.values())


def judged(room: Room) -> Finding:
    """What the figures of a file system mean. Pure."""
    free, total = size(room.free_bytes), size(room.total_bytes)
    text = f"{free} of {total} free for {room.directory}"
    least = max(_LEAST_FREE_BYTES, room.total_bytes * _LEAST_FREE_PERCENT // 100)
    if room.free_bytes < least:
        return problem(
            "disk", text, "delete images, volumes or logs, or enlarge it; guests pause when it is full"
        )
    if room.files and room.free_files * 100 < room.files * _LEAST_FREE_PERCENT:
        return problem(
            "disk", f"{text}, but {room.free_files:,} of {room.files:,} files", "delete small files"
        )
    return good("disk", text)


def disk_requests(directory: Path = _AIO) -> list[Finding]:
    """For how many more guests the kernel has asynchronous I/O; `directory` has its two figures."""
    taken, most = (int((directory / name).read_text()) for name in ("aio-nr", "aio-max-nr"))
    guests = max(most - taken, 0) // OF_A_GUEST
    text = f"for the disks of some {guests:,} more guests (fs.aio-max-nr {most:,}, {taken:,} taken)"
    if guests < _FEW_GUESTS:
        return [problem("I/O", text, f"as root: sysctl -w fs.aio-max-nr={most + OF_MANY_GUESTS}")]
    return [good("I/O", text)]


def clock() -> list[Finding]:
    """Whether something keeps this machine's clock right."""
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    if state == _TIME_ERROR:
        return [
            note(
                "clock", "nothing keeps it right", "chrony or systemd-timesyncd; with several hosts it counts"
            )
        ]
    return [good("clock", "the kernel says that it is kept right")]
