"""Can KVM work here? What can be told without running a guest; hostd proves it when the host joins."""

from __future__ import annotations

from pathlib import Path

DEVICE = Path("/dev/kvm")
PROCESSOR = Path("/proc/cpuinfo")
PARAVIRTUAL = Path("/sys/module/kvm_pvm")


def obstacle(device: Path = DEVICE, processor: Path = PROCESSOR, paravirtual: Path = PARAVIRTUAL) -> str:
    """What surely stands in KVM's way, in words; "" when it may work."""
    if not device.exists():
        return f"there is no {device}"
    if paravirtual.exists():
        return "this machine's KVM runs paravirtual guests only"
    flags = next((line for line in processor.read_text().splitlines() if line.startswith("flags")), "")
    if not {"vmx", "svm"} & set(flags.split()):
        return "the CPU offers no vmx or svm"
    return ""
