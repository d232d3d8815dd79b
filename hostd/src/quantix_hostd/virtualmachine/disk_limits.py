"""How much a guest may ask of a disk in a second. Pure.

Called by `desired`, for a start as for a running guest.
"""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api.quantities import size_bytes
from quantix_api.vm_devices import DiskQoS

# libvirt takes no larger number (QEMU_BLOCK_IOTUNE_MAX); no disk comes near it
_MOST = 10**15


@dataclass(frozen=True)
class DiskLimits:
    """Reads and writes, and bytes, in a second; 0: no limit."""

    iops: int = 0
    bytes_per_second: int = 0


def disk_limits(of_disk: DiskQoS | None, of_volume: DiskQoS | None) -> DiskLimits:
    """What the disk says, as a whole; where it says nothing of limits, what its Volume says."""
    # one number of each would limit a guest to what nobody wrote down
    qos = of_volume if of_disk is None else of_disk
    if qos is None:
        return DiskLimits()
    size = size_bytes(qos.bytes_per_second) if qos.bytes_per_second else 0
    return DiskLimits(min(qos.iops or 0, _MOST), min(size, _MOST))
