"""The header of a qcow2 file, as it says: believed of nothing, judged by those who read it.

Called for files from outside (`qcow2`) and for hosts' own disks. Pure: callers read the bytes. Source: QEMU's
docs/interop/qcow2.txt.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"QFI\xfb"
BACKING_FORMAT = 0xE2792ACA
"""The extension that names the format of the backing file."""
MAX_CLUSTER_BYTES = 2 << 20
_MIN_CLUSTER_BITS, _MAX_CLUSTER_BITS = 9, 21
_V2_BYTES = 72
_V3_BYTES = 104
_END_OF_EXTENSIONS = 0


class Qcow2Error(ValueError):
    """It is no header of this kind; `flaw` says how, as in "it ends within its qcow2 header"."""

    def __init__(self, flaw: str) -> None:
        super().__init__(flaw)
        self.flaw = flaw


@dataclass(frozen=True)
class Qcow2Header:
    """The fields of version 2, and those of version 3 with what their absence means."""

    version: int
    backing_offset: int
    backing_length: int
    cluster_bits: int
    virtual_size_bytes: int
    crypt_method: int
    l1_entries: int
    l1_offset: int
    refcount_offset: int
    refcount_clusters: int
    snapshots: int
    incompatible: int = 0
    refcount_order: int = 4
    length: int = _V2_BYTES

    @classmethod
    def parse(cls, head: bytes) -> Qcow2Header:
        """From the beginning of a file. Raises Qcow2Error."""
        if not head.startswith(MAGIC):
            raise Qcow2Error("it is no qcow2 disk")
        if len(head) < _V2_BYTES:
            raise Qcow2Error("it ends within its qcow2 header")
        version, backing, length, bits, size, crypt, entries, l1, counts, clusters, snapshots, _ = (
            struct.unpack_from(">IQIIQIIQQIIQ", head, len(MAGIC))
        )
        if not _MIN_CLUSTER_BITS <= bits <= _MAX_CLUSTER_BITS:
            raise Qcow2Error(f"it says that its clusters have 2^{bits} bytes")
        common = (version, backing, length, bits, size, crypt, entries, l1, counts, clusters, snapshots)
        if version == 2:
            return cls(*common)
        if len(head) < _V3_BYTES:
            raise Qcow2Error("it ends within its qcow2 header")
        incompatible, _, _, order, header_length = struct.unpack_from(">QQQII", head, _V2_BYTES)
        return cls(*common, incompatible, order, header_length)

    @property
    def cluster_bytes(self) -> int:
        return 1 << self.cluster_bits

    @property
    def shortest_length(self) -> int:
        """What a header of this version has at least, in bytes."""
        return _V2_BYTES if self.version == 2 else _V3_BYTES

    def extensions(self, head: bytes) -> Iterator[tuple[int, bytes]]:
        """The kinds of the extensions behind it, each of which is 8 bytes long or longer, with their data.

        Raises Qcow2Error.
        """
        offset, end = self.length, min(len(head), self.cluster_bytes)
        while offset + 8 <= end:
            kind, length = struct.unpack_from(">II", head, offset)
            if kind == _END_OF_EXTENSIONS:
                return
            if length > end - offset - 8:
                raise Qcow2Error("an extension of its header lies beyond the header's cluster")
            yield kind, head[offset + 8 : offset + 8 + length]
            offset += 8 + -(-length // 8) * 8
