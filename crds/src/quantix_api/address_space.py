"""How much memory the CPU of a guest can address. Pure, and light: `qx` reads it, too."""

from __future__ import annotations

_GIB = 1 << 30
HOST_PASSTHROUGH = "HostPassthrough"
# of every CPU that QEMU makes but that of the host itself (QEMU, TCG_PHYS_ADDR_BITS)
_QEMU_ADDRESS_BITS = 40
# What QEMU has no memory at: the holes for PCI (32 GiB of it above the memory), what memory that comes later
# is aligned by, and on AMD the 12 GiB below 1 TiB; a guest that goes beyond those has there all that is above
# 4 GiB begin at 1 TiB (QEMU, pc_max_used_gpa and pc_memory_init)
_HOLES_BYTES, _FEW_BITS, _HOLES_OF_FEW_BITS_BYTES = 64 * _GIB, 38, 40 * _GIB
_BEFORE_BYTES = 1 << _QEMU_ADDRESS_BITS


def addressable_bytes(host_bits: int | None, cpu_model: str) -> int:
    """The most memory that a guest can be given, also while it runs, on a host whose CPUs have addresses of
    so many bits (None: it does not say). `cpu_model`: HostPassthrough only where KVM works.
    """
    known = host_bits or _QEMU_ADDRESS_BITS
    bits = known if cpu_model == HOST_PASSTHROUGH else min(known, _QEMU_ADDRESS_BITS)
    holes_bytes = _HOLES_OF_FEW_BITS_BYTES if bits < _FEW_BITS else _HOLES_BYTES
    if bits > _QEMU_ADDRESS_BITS:
        holes_bytes += _BEFORE_BYTES
    return max((1 << bits) - holes_bytes, 0)
