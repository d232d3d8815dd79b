"""A guest that UEFI firmware booted with Secure Boot and a TPM, seen from inside, and what both remember."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quantix_lab.guest_console import GuestConsole, guest_console
from quantix_lab.machine_view import MachineView
from quantix_lab.uefi_guest import (
    BOOT_S,
    FIRMWARE,
    MEMORY,
    SECURE_BOOT,
    octets,
    set_variable,
    tpm_clock,
    variable,
)
from quantix_lab.vm_manifests import small_vm

NAME = "sealed"


@pytest.fixture(scope="module")
def sealed(view: MachineView) -> Iterator[None]:
    view.apply(small_vm(NAME, memory=MEMORY, firmware=FIRMWARE, gracePeriodSeconds=60))
    view.wait_ready(NAME, reason="Running")
    yield
    view.patch("vm", NAME, {"spec": {"gracePeriodSeconds": 0}})
    view.machine.kubectl("delete", "vm", NAME, "--timeout=120s", timeout_s=150)


@pytest.fixture
def console(view: MachineView, sealed: None) -> Iterator[GuestConsole]:
    with guest_console(view.machine, NAME, boot_s=BOOT_S) as opened:
        yield opened


def test_secure_boot_is_on_and_the_kernel_knows(console: GuestConsole) -> None:
    assert octets(console, f"cat {SECURE_BOOT}")[4:] == b"\1"
    assert b"Kernel is locked down from EFI Secure Boot" in octets(console, "dmesg | grep 'locked down'")


def test_the_tpm_measured_the_firmware(console: GuestConsole) -> None:
    assert octets(console, "cat /sys/class/tpm/tpm0/tpm_version_major").strip() == b"2"
    measured = octets(console, "cat /sys/class/tpm/tpm0/pcr-sha256/0").strip()
    assert len(measured) == 64
    assert set(measured) != {ord("0")}


# without a look from inside: hostd/tests/contract/test_firmware_state.py
@pytest.mark.soak
def test_variables_and_tpm_state_outlive_a_new_qemu(view: MachineView, console: GuestConsole) -> None:
    assert set_variable(console, "kept") == "kept"
    clock_ms, resets = tpm_clock(console)
    before = view.qemu(view.get("virtualmachine", NAME))
    view.machine.qx("vm", "stop", NAME, timeout_s=120)
    assert view.qemus(view.get("virtualmachine", NAME)["metadata"]["uid"]) == []
    view.machine.qx("vm", "start", NAME)
    assert view.qemu(view.wait_ready(NAME, reason="Running")) != before
    with guest_console(view.machine, NAME, boot_s=BOOT_S) as again:
        assert variable(again) == "kept"
        later_ms, later_resets = tpm_clock(again)
    assert later_resets == resets + 1
    assert later_ms > clock_ms
