"""What kind of disk image a file is, and whether it may be used: decided from its first bytes, by ourselves.

Called by hostd before any QEMU tool sees the file (hypervisor.md, section 12), and by qx before it sends one.
A tool that guesses the format opens what the file tells it to open; an image that names files can read the
host's disk. Pure: callers read the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from quantix_api.qcow2 import check_qcow2, refused
from quantix_api.qcow2_header import MAGIC
from quantix_api.quantities import format_size

# Enough for every magic below; the ISO 9660 one lies at 0x8001
HEAD_BYTES = 0x8800

LIMIT_OF_IMAGE, LIMIT_OF_VOLUME = "limit", "most_of_volume"
"""How messages call the largest disk that a file may describe: spec of an Image says it, or of a Volume."""

_ISO_MAGIC, _ISO_AT = b"CD001", 0x8001
_BOOT_SIGNATURE, _BOOT_AT = b"\x55\xaa", 510
_SECTOR = 512

# Offset, magic, what it is, and the command that unpacks it ("" where converting is enough)
_FOREIGN: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\x1f\x8b", "a gzip archive", "gunzip FILE"),
    (0, b"\xfd7zXZ\0", "an xz archive", "unxz FILE"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive", "unzstd FILE"),
    (0, b"BZh", "a bzip2 archive", "bunzip2 FILE"),
    (0, b"PK\x03\x04", "a zip archive", "unzip FILE"),
    (
        257,
        b"ustar",
        "a tar archive (an OVA is one)",
        "tar -xf FILE, then convert its disk: qemu-img convert -O qcow2 IN OUT",
    ),
    (0, b"KDMV", "a VMDK disk", ""),
    (0, b"COWD", "a VMDK disk", ""),
    (0, b"# Disk Descriptor", "a VMDK descriptor", ""),
    (0, b"vhdxfile", "a VHDX disk", ""),
    (0, b"conectix", "a VHD disk", ""),
    (0x40, b"\x7f\x10\xda\xbe", "a VDI disk", ""),
    (0, b"QED\0", "a QED disk", ""),
    (0, b"WithoutFreeSpace", "a Parallels disk", ""),
    (0, b"WithouFreSpacExt", "a Parallels disk", ""),
    (0, b"Bochs Virtual HD Image", "a Bochs disk", ""),
    (0, b"QFI\xfb\0\0\0\1", "a qcow disk of version 1", ""),
)


class ImageFormat(StrEnum):
    """As in `Image.status.format`."""

    QCOW2 = "Qcow2"
    RAW = "Raw"
    ISO = "ISO"

    @property
    def driver(self) -> str:
        """QEMU's name of the block driver: an ISO is read as it is."""
        return "qcow2" if self is ImageFormat.QCOW2 else "raw"


@dataclass(frozen=True)
class ImageFacts:
    """A file that may be used: its format, and how large a guest sees it."""

    format: ImageFormat
    virtual_size_bytes: int


def inspect_image(
    head: bytes,
    file_size_bytes: int,
    wanted: str,
    max_virtual_size_bytes: int,
    limit: str = LIMIT_OF_IMAGE,
) -> ImageFacts:
    """Judge a file by its first HEAD_BYTES and its size; `wanted` is the spec's format, Auto to find it out,
    `limit` whose the largest size is: LIMIT_OF_IMAGE or LIMIT_OF_VOLUME.

    Raises PermanentError with reason ImageRefused.
    """
    if file_size_bytes == 0:
        raise refused(flaw="it is empty")
    facts = _inspect(head, file_size_bytes, wanted)
    if wanted not in ("Auto", facts.format):
        raise refused(found=facts.format, wanted=wanted)
    if facts.virtual_size_bytes > max_virtual_size_bytes:
        size = format_size(facts.virtual_size_bytes)
        raise refused(size=size, **{limit: format_size(max_virtual_size_bytes)})
    return facts


def _inspect(head: bytes, file_size_bytes: int, wanted: str) -> ImageFacts:
    for offset, magic, what, command in _FOREIGN:
        if head[offset : offset + len(magic)] == magic:
            raise refused(kind=what, command=command) if command else refused(kind=what)
    if head.startswith(MAGIC):
        return ImageFacts(ImageFormat.QCOW2, check_qcow2(head, file_size_bytes))
    if head[_ISO_AT : _ISO_AT + len(_ISO_MAGIC)] == _ISO_MAGIC and wanted != ImageFormat.RAW:
        return ImageFacts(ImageFormat.ISO, _round_up(file_size_bytes))
    bootable = head[_BOOT_AT : _BOOT_AT + 2] == _BOOT_SIGNATURE
    if wanted == ImageFormat.RAW or (wanted == "Auto" and bootable):
        return ImageFacts(ImageFormat.RAW, _round_up(file_size_bytes))
    raise refused(format=ImageFormat.RAW)


def _round_up(size_bytes: int) -> int:
    return -(-size_bytes // _SECTOR) * _SECTOR
