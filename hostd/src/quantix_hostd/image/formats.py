"""What kind of disk image a file is, and whether it may be used: decided from its first bytes, by ourselves.

Called by the image controller before any QEMU tool sees the file (hypervisor.md, section 12). A tool that
guesses the format opens what the file tells it to open; an image that names files can read the host's disk.
Pure: callers read the bytes. Source for the header: QEMU's docs/interop/qcow2.txt.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum

from quantix_api.errors import PermanentError
from quantix_api.messages import as_error
from quantix_api.quantities import format_size

# Enough for every magic below; the ISO 9660 one lies at 0x8001
HEAD_BYTES = 0x8800

_QCOW2_MAGIC = b"QFI\xfb"
_QCOW2_V2_BYTES = 72
_QCOW2_V3_BYTES = 104
_QCOW2_DIRTY, _QCOW2_CORRUPT, _QCOW2_DATA_FILE = 1 << 0, 1 << 1, 1 << 2
# Compression type and extended L2 entries: harmless, known to QEMU 7.2
_QCOW2_KNOWN = 1 << 3 | 1 << 4
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
    (0, b"# Disk Descriptor", "a VMDK descriptor", ""),
    (0, b"vhdxfile", "a VHDX disk", ""),
    (0, b"conectix", "a VHD disk", ""),
    (0x40, b"\x7f\x10\xda\xbe", "a VDI disk", ""),
    (0, b"QED\0", "a QED disk", ""),
    (
        0,
        b"QFI\xfb\x00\x00\x00\x01",
        "a qcow disk of version 1",
        "",
    ),
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


@dataclass(frozen=True)
class Received:
    """An image that is now in the pool. `checksum` is "sha256:<hex>"."""

    facts: ImageFacts
    checksum: str


def refused(**fields: object) -> PermanentError:
    """The error for a file that is no usable image: the message of ImageRefused that has these fields."""
    return as_error(PermanentError, "ImageRefused", **fields)


def inspect_image(head: bytes, file_size_bytes: int, wanted: str, max_virtual_size_bytes: int) -> ImageFacts:
    """Judge a file by its first HEAD_BYTES and its size; `wanted` is the spec's format, Auto to find it out.

    Raises PermanentError with reason ImageRefused.
    """
    if file_size_bytes == 0:
        raise refused(flaw="it is empty")
    facts = _inspect(head, file_size_bytes, wanted)
    if wanted not in ("Auto", facts.format):
        raise refused(found=facts.format, wanted=wanted)
    if facts.virtual_size_bytes > max_virtual_size_bytes:
        raise refused(size=format_size(facts.virtual_size_bytes), limit=format_size(max_virtual_size_bytes))
    return facts


def _inspect(head: bytes, file_size_bytes: int, wanted: str) -> ImageFacts:
    for offset, magic, what, command in _FOREIGN:
        if head[offset : offset + len(magic)] == magic:
            raise refused(kind=what, command=command) if command else refused(kind=what)
    if head.startswith(_QCOW2_MAGIC):
        return ImageFacts(ImageFormat.QCOW2, _check_qcow2(head, file_size_bytes))
    if head[_ISO_AT : _ISO_AT + len(_ISO_MAGIC)] == _ISO_MAGIC and wanted != ImageFormat.RAW:
        return ImageFacts(ImageFormat.ISO, _round_up(file_size_bytes))
    bootable = head[_BOOT_AT : _BOOT_AT + 2] == _BOOT_SIGNATURE
    if wanted == ImageFormat.RAW or (wanted == "Auto" and bootable):
        return ImageFacts(ImageFormat.RAW, _round_up(file_size_bytes))
    raise refused(format=ImageFormat.RAW)


def _round_up(size_bytes: int) -> int:
    return -(-size_bytes // _SECTOR) * _SECTOR


@dataclass(frozen=True)
class _Qcow2Header:
    version: int
    backing_offset: int
    cluster_bits: int
    virtual_size_bytes: int
    crypt_method: int
    l1_entries: int
    l1_offset: int
    refcount_offset: int
    refcount_clusters: int
    snapshots: int
    incompatible: int

    @classmethod
    def parse(cls, head: bytes) -> _Qcow2Header:
        if len(head) < _QCOW2_V2_BYTES:
            raise refused(flaw="it ends within its qcow2 header")
        (
            _,
            version,
            backing_offset,
            _,
            cluster_bits,
            size,
            crypt,
            l1_entries,
            l1_offset,
            refcount_offset,
            refcount_clusters,
            snapshots,
            _,
        ) = struct.unpack_from(">4sIQIIQIIQQIIQ", head)
        if version not in (2, 3):
            raise refused(feature=f"is qcow2 of version {version}")
        incompatible = 0
        if version == 3:
            if len(head) < _QCOW2_V3_BYTES:
                raise refused(flaw="it ends within its qcow2 header")
            (incompatible,) = struct.unpack_from(">Q", head, _QCOW2_V2_BYTES)
        return cls(
            version,
            backing_offset,
            cluster_bits,
            size,
            crypt,
            l1_entries,
            l1_offset,
            refcount_offset,
            refcount_clusters,
            snapshots,
            incompatible,
        )


def _check_qcow2(head: bytes, file_size_bytes: int) -> int:
    """The virtual size in bytes of a qcow2 file that stands alone and is whole as far as its header tells."""
    header = _Qcow2Header.parse(head)
    _refuse_references(header)
    _refuse_damage(header, file_size_bytes)
    return header.virtual_size_bytes


def _refuse_references(header: _Qcow2Header) -> None:
    if header.backing_offset:
        raise refused()
    if header.incompatible & _QCOW2_DATA_FILE:
        raise refused(feature="keeps its data in another file")
    if header.crypt_method:
        raise refused(feature="is encrypted")
    if header.snapshots:
        raise refused(feature=f"holds {header.snapshots} internal snapshots")


def _refuse_damage(header: _Qcow2Header, file_size_bytes: int) -> None:
    if header.incompatible & (_QCOW2_DIRTY | _QCOW2_CORRUPT):
        raise refused(flaw="it was not closed cleanly, or says so itself")
    if header.incompatible & ~(_QCOW2_KNOWN | _QCOW2_DIRTY | _QCOW2_CORRUPT | _QCOW2_DATA_FILE):
        raise refused(feature=f"uses unknown qcow2 features ({header.incompatible:#x})")
    if not 9 <= header.cluster_bits <= 21:
        raise refused(flaw=f"it says that its clusters have 2^{header.cluster_bits} bytes")
    cluster = 1 << header.cluster_bits
    l1_needed = -(-header.virtual_size_bytes // (cluster * (cluster // 8)))
    tables = (
        (header.l1_offset, header.l1_entries * 8),
        (header.refcount_offset, header.refcount_clusters * cluster),
    )
    for offset, size in tables:
        if offset % cluster or (size and offset == 0) or offset + size > file_size_bytes:
            raise refused(flaw="it is cut off, a table of its disk lies beyond its end")
    if header.virtual_size_bytes == 0 or header.l1_entries < l1_needed:
        # Extended L2 entries are twice as long, so more are needed then: QEMU checks that, this is the least
        raise refused(flaw="its table of blocks is too small for its disk")
