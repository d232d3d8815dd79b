"""A guest of 214 bytes that only a working KVM runs to its end: assembled once, and compared by a test.

Used by `clients.kvm`.
"""

from __future__ import annotations

from pathlib import Path

# (0x20 << 1) | 1: what QEMU's isa-debug-exit makes of the payload's last write
SUCCESS_CODE = 65

ROM_BYTES = 0x10000
# The first instruction of an x86 machine, 16 bytes below 4 GiB: jmp 0xf000:0x0000, the start of the payload
_RESET_VECTOR = bytes([0xEA, 0x00, 0x00, 0x00, 0xF0])


def render_rom() -> bytes:
    """The flat BIOS of 64 KiB for QEMU's `-bios`."""
    payload = (Path(__file__).parent / "payload.bin").read_bytes()
    body = payload.ljust(ROM_BYTES - 16, b"\x90")
    return body + _RESET_VECTOR.ljust(16, b"\x90")
