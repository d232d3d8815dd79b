"""A guest that UEFI firmware booted with Secure Boot and a TPM, seen from inside, and what both remember."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

import pytest

from quantix_lab.guest_console import GuestConsole, guest_console
from quantix_lab.machine_view import MachineView
from quantix_lab.vm_manifests import small_vm

NAME = "sealed"
# with less, GRUB finds no room for a kernel beside the firmware's own (OVMF 2022.11, SMM build)
MEMORY = {"size": "512Mi"}
FIRMWARE = {"type": "UEFI", "secureBoot": True, "tpm": True}
BOOT_S = 240.0
"""Emulated on two busy cores; 20 s on quiet ones."""
VARIABLES = "/sys/firmware/efi/efivars"
SECURE_BOOT = f"{VARIABLES}/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
OURS = f"{VARIABLES}/Marker-0e10f4a3-5d6e-4c8b-9f6b-0c5a3ad2b7f1"
# attributes (non-volatile, boot and runtime access), then a value (kernel.org, filesystems/efivarfs)
OURS_BYTES = r"\007\000\000\000kept"
READ_CLOCK = r"\200\001\000\000\000\012\000\000\001\201"
"""TPM2_ReadClock (TPM 2.0 part 3, section 29.1): no sessions, 10 bytes, command code 181h"""


@pytest.fixture(scope="module")
def sealed(view: MachineView) -> Iterator[None]:
    view.apply(small_vm(NAME, memory=MEMORY, firmware=FIRMWARE, gracePeriodSeconds=60))
    view.wait_ready(NAME, reason="Running")
    yield
    view.machine.kubectl("delete", "vm", NAME, "--timeout=120s", timeout_s=150)


@pytest.fixture
def console(view: MachineView, sealed: None) -> Iterator[GuestConsole]:
    with guest_console(view.machine, NAME, boot_s=BOOT_S) as opened:
        yield opened


def octets(console: GuestConsole, command: str) -> bytes:
    """What a command in the guest prints, which may be any bytes."""
    said = console.ask(f"({command}) | od -An -v -tx1")
    assert re.fullmatch(r"[0-9a-f \n]*", said), said
    return bytes.fromhex(said)


def tpm_clock(console: GuestConsole) -> tuple[int, int]:
    """Milliseconds that the TPM ran in its life, and how often it was switched on."""
    # in one write, which is why printf does not write to the TPM itself
    ask = f"printf '{READ_CLOCK}' > /run/ask; exec 3<>/dev/tpm0; cat /run/ask >&3; cat <&3"
    answer = octets(console, ask)
    # header of 10 bytes, time, clock, resetCount, restartCount, safe
    code, _, clock_ms, resets = struct.unpack_from(">6xIQQI", answer)
    assert code == 0, answer.hex()
    return clock_ms, resets


def test_secure_boot_is_on_and_the_kernel_knows(console: GuestConsole) -> None:
    assert octets(console, f"cat {SECURE_BOOT}")[4:] == b"\1"
    assert b"Kernel is locked down from EFI Secure Boot" in octets(console, "dmesg | grep 'locked down'")


def test_the_tpm_measured_the_firmware(console: GuestConsole) -> None:
    assert octets(console, "cat /sys/class/tpm/tpm0/tpm_version_major").strip() == b"2"
    measured = octets(console, "cat /sys/class/tpm/tpm0/pcr-sha256/0").strip()
    assert len(measured) == 64
    assert set(measured) != {ord("0")}


def test_variables_and_tpm_state_outlive_a_new_qemu(view: MachineView, console: GuestConsole) -> None:
    assert octets(console, f"printf '{OURS_BYTES}' > {OURS} && cat {OURS}")[4:] == b"kept"
    clock_ms, resets = tpm_clock(console)
    before = view.qemu(view.get("virtualmachine", NAME))
    view.machine.qx("vm", "stop", NAME, timeout_s=120)
    assert view.qemus(view.get("virtualmachine", NAME)["metadata"]["uid"]) == []
    view.machine.qx("vm", "start", NAME)
    assert view.qemu(view.wait_ready(NAME, reason="Running")) != before
    with guest_console(view.machine, NAME, boot_s=BOOT_S) as again:
        assert octets(again, f"cat {OURS}")[4:] == b"kept"
        later_ms, later_resets = tpm_clock(again)
    assert later_resets == resets + 1
    assert later_ms > clock_ms
