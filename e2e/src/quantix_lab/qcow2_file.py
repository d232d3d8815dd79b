"""A small qcow2 file made byte by byte, so that a test can get any byte of it wrong.

Used by the corpus of hostile images. Source: QEMU's docs/interop/qcow2.txt.

```
  cluster 0 header │ 1 refcount table │ 2 refcount block │ 3 L1 table │ 4 L2 table │ 5… data
```
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

CLUSTER_BITS = 12
CLUSTER = 1 << CLUSTER_BITS
REFCOUNT_TABLE, REFCOUNT_BLOCK, L1, L2, DATA = (number * CLUSTER for number in range(1, 6))
MAPPED = CLUSTER // 8 * CLUSTER
"""How much of a disk one L2 table describes, in bytes."""
COPIED, COMPRESSED = 1 << 63, 1 << 62


@dataclass(frozen=True)
class Qcow2File:
    """The fields of the header, and what the tables hold. The defaults are a sound disk with one cluster of
    data.
    """

    version: int = 3
    backing_offset: int = 0
    backing: bytes = b""
    cluster_bits: int = CLUSTER_BITS
    size: int = MAPPED
    crypt: int = 0
    l1_entries: int = 1
    l1_offset: int = L1
    refcount_offset: int = REFCOUNT_TABLE
    refcount_clusters: int = 1
    snapshots: int = 0
    incompatible: int = 0
    autoclear: int = 0
    refcount_order: int = 4
    header_length: int = 104
    extensions: bytes = b""
    refcount_table: tuple[int, ...] = (REFCOUNT_BLOCK,)
    refcounts: tuple[int, ...] = (1,) * 6
    l1: tuple[int, ...] = (L2 | COPIED,)
    l2: tuple[int, ...] = (DATA | COPIED,)
    data: bytes = b"\7" * CLUSTER

    def content(self) -> bytes:
        """The whole file."""
        clusters = (
            self._head(),
            _table(">Q", self.refcount_table),
            _table(">H", self.refcounts),
            _table(">Q", self.l1),
            _table(">Q", self.l2),
        )
        return b"".join(cluster.ljust(CLUSTER, b"\0") for cluster in clusters) + self.data

    def _head(self) -> bytes:
        fields = (
            *(b"QFI\xfb", self.version, self.backing_offset, len(self.backing), self.cluster_bits),
            *(self.size, self.crypt, self.l1_entries, self.l1_offset),
            *(self.refcount_offset, self.refcount_clusters, self.snapshots, L1 if self.snapshots else 0),
        )
        head = struct.pack(">4sIQIIQIIQQIIQ", *fields)
        if self.version > 2:
            features = (self.incompatible, 0, self.autoclear, self.refcount_order, self.header_length)
            head = (head + struct.pack(">QQQII", *features)).ljust(min(self.header_length, CLUSTER), b"\0")
        head += self.extensions
        if self.backing and self.backing_offset < CLUSTER:
            head = head.ljust(self.backing_offset, b"\0")[: self.backing_offset] + self.backing
        return head


def extension(kind: int, content: bytes, length: int | None = None) -> bytes:
    """An extension of the header; `length` is what it says of itself."""
    said = len(content) if length is None else length
    return struct.pack(">II", kind, said) + content.ljust(-(-len(content) // 8) * 8, b"\0")


def compressed(offset: int, sectors: int = 1) -> int:
    """The L2 entry of a compressed cluster at `offset` that reaches over `sectors` of 512 bytes."""
    return COMPRESSED | (sectors - 1) << (62 - (CLUSTER_BITS - 8)) | offset


def _table(entry: str, values: tuple[int, ...]) -> bytes:
    return b"".join(struct.pack(entry, value) for value in values)
