"""The virtual size in a qcow2 header: read by ourselves, since QEMU holds the file of a running guest.

Used by `observe` to see whether a disk still has to grow. Source: QEMU, docs/interop/qcow2.txt.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

_MAGIC = b"QFI\xfb"
_SIZE_OFFSET, _HEADER_BYTES = 24, 32


def read_virtual_size(path: Path) -> int:
    """Bytes as the guest sees them; 0 when the file is no qcow2 (raw is as large as it is)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        header = os.read(descriptor, _HEADER_BYTES)
    finally:
        os.close(descriptor)
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        return 0
    size: int = struct.unpack_from(">Q", header, _SIZE_OFFSET)[0]
    return size
