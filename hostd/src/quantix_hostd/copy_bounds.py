"""What the full copy of one image may take: in proportion to its file, not to what the file says of itself.

A qcow2 of a few KiB can describe terabytes, each cluster the same few compressed bytes: whoever copies it
works for hours. An honest file unpacks to a few times its length. Pure; used by the volume part.
"""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1 << 20
# zlib and zstd make a half to a third of what systems and their data are; zeros are not in the file at all
_MOST_EXPANSION = 32
_FREE_BYTES = 64 * _MIB
# qcow2 that holds every cluster is larger than the disk by its tables
_TABLES_PERCENT = 10
# what the slowest machine and the slowest disk still do
_CPU_BYTES_PER_S = 32 * _MIB
_DISK_BYTES_PER_S = 4 * _MIB
_CPU_S, _WALL_S = 30, 120.0


@dataclass(frozen=True)
class CopyBounds:
    """Bytes written, seconds of CPU time, and seconds in all."""

    written_bytes: int
    cpu_s: int
    wall_s: float


def copy_bounds(file_bytes: int, disk_bytes: int) -> CopyBounds:
    """The bounds for an image whose file has `file_bytes` and describes `disk_bytes`."""
    written = min(disk_bytes, file_bytes * _MOST_EXPANSION) + _FREE_BYTES
    return CopyBounds(
        written_bytes=written + written * _TABLES_PERCENT // 100,
        cpu_s=_CPU_S + written // _CPU_BYTES_PER_S,
        wall_s=_WALL_S + written / _DISK_BYTES_PER_S,
    )
