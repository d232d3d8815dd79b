"""A guest of 512 bytes that writes to its disk for ever: a boot sector, run by the BIOS.

It counts, and writes each number into the sector of its turn, one of 64 far apart, by the BIOS's own driver:
a number is written once the one before it is on the disk.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

TURNS = 64
_SECTORS_A_TRACK, _HEADS, _SECTOR_BYTES = 63, 16, 512
_CODE = bytes.fromhex(
    "fa 31c0 8ed8 8ec0 8ed0 bc007c fb"  # no interrupts; all segments 0, the stack below the code; interrupts
    "66c70600800000 0000"  # the number at 8000h: 0
    "66ff060080"  # the number + 1
    "a00080 243f 88c5"  # the cylinder is that of its turn
    "b102 b600 b280"  # sector 2, head 0, the first disk
    "bb0080 b80103"  # one sector from 8000h is written
    "cd13"  # by the BIOS
    "ebe4"  # and again
)
BOOT_SECTOR = _CODE.ljust(510, b"\0") + b"\x55\xaa"


def install(data: Path, passphrase: str = "") -> None:
    """Make the qcow2 disk, which nobody has open, one that boots this guest."""
    raw = data.with_name("boot.raw")
    raw.write_bytes(BOOT_SECTOR)
    write = ["-c", f"write -q -s {raw} 0 512"]
    with _opened(data, passphrase) as (secret, disk):
        subprocess.run(["qemu-io", *secret, *write, *disk], check=True, capture_output=True)
    raw.unlink()


def numbers(data: Path, passphrase: str = "") -> list[int]:
    """What it wrote last at each of its turns, 0 where it has not been; QEMU may have the disk open. A sector
    that is read half old and half new counts as 0: of an encrypted disk it is neither.
    """
    raw = data.with_name("seen.raw")
    with _opened(data, passphrase) as (secret, disk):
        convert = ["qemu-img", "convert", *secret, "-U", "-O", "raw", *disk, str(raw)]
        subprocess.run(convert, check=True, capture_output=True)
    with raw.open("rb") as seen:
        found = numbers_by(lambda offset, length: os.pread(seen.fileno(), length, offset))
    raw.unlink()
    return found


def numbers_by(read: Callable[[int, int], bytes]) -> list[int]:
    """The same of a disk of which `read` gives the bytes at an offset. Those between its turns are not read:
    there are 32 MB of them.
    """
    places = ((turn * _HEADS * _SECTORS_A_TRACK + 1) * _SECTOR_BYTES for turn in range(TURNS))
    return [_number(read(place, _SECTOR_BYTES)) for place in places]


def _number(sector: bytes) -> int:
    return 0 if any(sector[4:]) else int.from_bytes(sector[:4], "little")


@contextmanager
def _opened(data: Path, passphrase: str) -> Iterator[tuple[list[str], list[str]]]:
    """The words by which QEMU's tools open the disk: what comes before, and the disk."""
    if not passphrase:
        yield [], ["--image-opts", f"driver=qcow2,file.filename={data}"]
        return
    key = data.with_name("key")
    key.write_text(passphrase)
    opened = f"driver=qcow2,encrypt.key-secret=key,file.filename={data}"
    yield ["--object", f"secret,id=key,file={key}"], ["--image-opts", opened]
    key.unlink()


def lost(found: list[int]) -> set[int]:
    """Of the last 64 numbers those that are not there. Pure."""
    newest = max(found)
    return set(range(max(newest - TURNS + 1, 1), newest + 1)) - set(found)
