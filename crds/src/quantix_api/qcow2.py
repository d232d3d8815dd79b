"""Judges a qcow2 file from outside by its header, before any tool opens the file.

Called by `disk_image` only. Pure: callers read the bytes. Source: QEMU's docs/interop/qcow2.txt, and the
limits of block/qcow2.h (7.2). What only the tables further back tell is QEMU's to find, locked up.
"""

from __future__ import annotations

from itertools import pairwise

from quantix_api.errors import PermanentError
from quantix_api.messages import as_error
from quantix_api.qcow2_header import Qcow2Error, Qcow2Header

_VERSIONS = frozenset({2, 3})
_DIRTY, _CORRUPT, _DATA_FILE = 1 << 0, 1 << 1, 1 << 2
# Compression type and extended L2 entries: harmless, known to QEMU 7.2
_KNOWN = 1 << 3 | 1 << 4
_MAX_L1_BYTES = 32 << 20
_MAX_REFCOUNT_TABLE_BYTES = 8 << 20
_MAX_REFCOUNT_ORDER = 6

# extensions that make a file more than a disk that stands alone, and how it is said
_UNWANTED_EXTENSIONS = {
    0x44415441: "keeps its data in another file",
    0x0537BE77: "is encrypted",
    0x23852875: "holds dirty bitmaps",
}


def refused(**fields: object) -> PermanentError:
    """The error for a file that is no usable image: the message of ImageRefused that has these fields."""
    return as_error(PermanentError, "ImageRefused", **fields)


def check_qcow2(head: bytes, file_size_bytes: int) -> int:
    """The virtual size in bytes of a qcow2 file that stands alone and is whole as far as its header tells.

    `head` is the file's beginning, or all of it. Raises PermanentError (ImageRefused).
    """
    try:
        header = Qcow2Header.parse(head)
        if header.version not in _VERSIONS:
            raise refused(feature=f"is qcow2 of version {header.version}")
        _refuse_references(header)
        _refuse_damage(header)
        _refuse_extensions(header, head)
    except Qcow2Error as error:
        raise refused(flaw=error.flaw) from error
    _refuse_tables(header, file_size_bytes)
    return header.virtual_size_bytes


def _refuse_references(header: Qcow2Header) -> None:
    if header.backing_offset:
        raise refused()
    if header.incompatible & _DATA_FILE:
        raise refused(feature="keeps its data in another file")
    if header.crypt_method:
        raise refused(feature="is encrypted")
    if header.snapshots:
        raise refused(feature=f"holds {header.snapshots} internal snapshots")


def _refuse_damage(header: Qcow2Header) -> None:
    if header.incompatible & (_DIRTY | _CORRUPT):
        raise refused(flaw="it was not closed cleanly, or says so itself")
    if header.incompatible & ~_KNOWN:
        raise refused(feature=f"uses unknown qcow2 features ({header.incompatible:#x})")
    if header.refcount_order > _MAX_REFCOUNT_ORDER:
        raise refused(flaw=f"it says that its reference counts have 2^{header.refcount_order} bits")
    if not header.shortest_length <= header.length <= header.cluster_bytes or header.length % 8:
        raise refused(flaw=f"it says that its header has {header.length} bytes")


def _refuse_extensions(header: Qcow2Header, head: bytes) -> None:
    for kind, _ in header.extensions(head):
        if feature := _UNWANTED_EXTENSIONS.get(kind):
            raise refused(feature=feature)


def _refuse_tables(header: Qcow2Header, file_size_bytes: int) -> None:
    cluster = header.cluster_bytes
    l1_bytes, refcount_bytes = header.l1_entries * 8, header.refcount_clusters * cluster
    tables = (
        range(cluster),
        range(header.l1_offset, header.l1_offset + l1_bytes),
        range(header.refcount_offset, header.refcount_offset + refcount_bytes),
    )
    for table in tables[1:]:
        if table.start % cluster or table.stop > file_size_bytes:
            raise refused(flaw="it is cut off, a table of its disk lies beyond its end")
    if l1_bytes > _MAX_L1_BYTES or refcount_bytes > _MAX_REFCOUNT_TABLE_BYTES:
        raise refused(flaw="a table of its disk is larger than QEMU reads")
    l1_needed = -(-header.virtual_size_bytes // (cluster * (cluster // 8)))
    if header.virtual_size_bytes == 0 or header.l1_entries < l1_needed:
        # Extended L2 entries are twice as long, so more are needed then: QEMU checks that, this is the least
        raise refused(flaw="its table of blocks is too small for its disk")
    if not refcount_bytes:
        raise refused(flaw="it has no table of reference counts")
    if _overlap(tables):
        raise refused(flaw="tables of its disk lie over each other")


def _overlap(tables: tuple[range, ...]) -> bool:
    ordered = sorted(tables, key=lambda table: table.start)
    return any(before.stop > after.start for before, after in pairwise(ordered))
