"""A guest that UEFI firmware booted with Secure Boot and a TPM, and what is asked of both inside it."""

from __future__ import annotations

import re
import struct

from quantix_lab.guest_console import GuestConsole

# with less, GRUB finds no room for a kernel beside the firmware's own (OVMF 2022.11, SMM build)
MEMORY = {"size": "512Mi"}
FIRMWARE = {"type": "UEFI", "secureBoot": True, "tpm": True}
BOOT_S = 240.0
"""Emulated on two busy cores; 20 s on quiet ones."""
_VARIABLES = "/sys/firmware/efi/efivars"
SECURE_BOOT = f"{_VARIABLES}/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_OURS = f"{_VARIABLES}/Marker-0e10f4a3-5d6e-4c8b-9f6b-0c5a3ad2b7f1"
# attributes (non-volatile, boot and runtime access), then a value (kernel.org, filesystems/efivarfs)
_ATTRIBUTES = r"\007\000\000\000"
_READ_CLOCK = r"\200\001\000\000\000\012\000\000\001\201"
"""TPM2_ReadClock (TPM 2.0 part 3, section 29.1): no sessions, 10 bytes, command code 181h"""


def octets(console: GuestConsole, command: str) -> bytes:
    """What a command in the guest prints, which may be any bytes."""
    said = console.ask(f"({command}) | od -An -v -tx1")
    assert re.fullmatch(r"[0-9a-f \n]*", said), said
    return bytes.fromhex(said)


def set_variable(console: GuestConsole, value: str) -> str:
    """Have the firmware remember a word, once: the kernel lets nobody change a variable of that kind
    (kernel.org, filesystems/efivarfs). What it then says of it.
    """
    console.ask(f"printf '{_ATTRIBUTES}{value}' > {_OURS}")
    return variable(console)


def variable(console: GuestConsole) -> str:
    """The word that the firmware remembers."""
    return octets(console, f"cat {_OURS}")[4:].decode()


def tpm_clock(console: GuestConsole) -> tuple[int, int]:
    """Milliseconds that the TPM ran in its life, and how often it was switched on."""
    # in one write, which is why printf does not write to the TPM itself
    ask = f"printf '{_READ_CLOCK}' > /run/ask; exec 3<>/dev/tpm0; cat /run/ask >&3; cat <&3"
    answer = octets(console, ask)
    # header of 10 bytes, time, clock, resetCount, restartCount, safe
    code, _, clock_ms, resets = struct.unpack_from(">6xIQQI", answer)
    assert code == 0, answer.hex()
    return clock_ms, resets
