"""A guest's screen as a PNG, whatever the hypervisor made of it. Pure.

Size and content are the guest's choice, so nothing is believed that the bytes do not hold. PPM: ppm(5) of
Netpbm; PNG: ISO/IEC 15948, third edition.
"""

from __future__ import annotations

import re
import struct
import zlib

MOST_BYTES = 64 << 20
"""A picture of 4,096 × 4,096 points, three bytes each, and some room."""

_PNG = b"\x89PNG\r\n\x1a\n"
_PPM_HEAD = re.compile(rb"P6\s+(\d{1,5})\s+(\d{1,5})\s+255\s")
_QUICK = 3
_RGB_OF_8_BITS = b"\x08\x02\x00\x00\x00"


def as_png(picture: bytes) -> bytes | None:
    """The picture as PNG; None where it is none."""
    if picture.startswith(_PNG):
        return picture
    head = _PPM_HEAD.match(picture)
    if head is None:
        return None
    width, height = int(head[1]), int(head[2])
    points = memoryview(picture)[head.end() :]
    if not width or not height or len(points) < width * height * 3:
        return None
    # each row is preceded by the number of its filter; 0: none
    rows = b"".join(b"\0" + points[row * width * 3 : (row + 1) * width * 3] for row in range(height))
    size = struct.pack(">II", width, height)
    return b"".join(
        (
            _PNG,
            _chunk(b"IHDR", size + _RGB_OF_8_BITS),
            _chunk(b"IDAT", zlib.compress(rows, _QUICK)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
