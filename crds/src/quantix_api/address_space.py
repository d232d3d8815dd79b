"""How much memory the CPU of a guest can address. Pure, and light: `qx` reads it, too."""

from __future__ import annotations

_GIB = 1 << 30
HOST_PASSTHROUGH = "HostPassthrough"
# of every CPU that QEMU makes but that of the host itself (QEMU, TCG_PHYS_ADDR_BITS)
_QEMU_ADDRESS_BITS = 40
# where QEMU puts no memory: the holes for PCI (32 GiB of it above the memory), and what memory that comes
# later is aligned by (QEMU, pc_max_used_gpa)
_HOLES_BYTES = 64 * _GIB
_FEW_BITS, _HOLES_OF_FEW_BITS_BYTES = 38, 40 * _GIB
# on AMD nor are the 12 GiB below 1 TiB: a guest that reaches so far has all its memory above 4 GiB from 1 TiB
# on (QEMU, pc_memory_init)
_SKIPPED_ON_AMD_BYTES = 1024 * _GIB
MOST_BITS = 64
"""No CPU has more; a host that says so is not believed, and costs nobody the memory of such a number."""


def addressable_bytes(host_bits: int | None, cpu_model: str) -> int:
    """The most memory that a guest can be given, also while it runs, on a host whose CPUs have addresses of
    so many bits. None: it does not say, or no guest has its CPU, since KVM does not work.
    """
    known = min(host_bits or _QEMU_ADDRESS_BITS, MOST_BITS)
    bits = known if cpu_model == HOST_PASSTHROUGH else min(known, _QEMU_ADDRESS_BITS)
    holes_bytes = _HOLES_OF_FEW_BITS_BYTES if bits < _FEW_BITS else _HOLES_BYTES
    if bits > _QEMU_ADDRESS_BITS:
        holes_bytes += _SKIPPED_ON_AMD_BYTES
    return max((1 << bits) - holes_bytes, 0)
