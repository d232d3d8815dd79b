"""What stands in KVM's way on this machine, as far as it can be told without running a guest.

Used by `qx up` and `qx doctor`, and by hostd, which tries: all say it in the words of KVMUnusable. Standard
library only.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# the flag that a CPU offers, and the module that makes a device of it (Linux, arch/x86/kvm)
_MODULES = {"vmx": "kvm_intel", "svm": "kvm_amd"}


@dataclass(frozen=True)
class Places:
    """Where to look."""

    device: Path = Path("/dev/kvm")
    processor: Path = Path("/proc/cpuinfo")
    modules: Path = Path("/sys/module")


PLACES = Places()


def obstacle(places: Places = PLACES) -> Mapping[str, str] | None:
    """The fields of a KVMUnusable besides `host`; None when KVM may work."""
    flags = _flags(places.processor)
    offered = next((module for flag, module in _MODULES.items() if flag in flags), "")
    if places.device.exists():
        if (places.modules / "kvm_pvm").exists():
            return {"why": "this machine's KVM runs paravirtual guests only"}
        return None if offered else _not_offered(flags)
    if not offered:
        return _not_offered(flags)
    if (places.modules / offered).exists():
        return {"why": f"there is no {places.device}, though the kernel has {offered}: is this a container?"}
    return {"module": offered, "device": str(places.device)}


def denied(user: str, device: Path = PLACES.device) -> Mapping[str, str] | None:
    """The fields where the device is not for this user, by its owner, group and mode (no ACL is read)."""
    entry, found = pwd.getpwnam(user), device.stat()
    groups = {entry.pw_gid, *(group.gr_gid for group in grp.getgrall() if user in group.gr_mem)}
    if entry.pw_uid == found.st_uid:
        bits = found.st_mode >> 6
    else:
        bits = found.st_mode >> 3 if found.st_gid in groups else found.st_mode
    wanted = os.R_OK | os.W_OK
    if entry.pw_uid == 0 or bits & wanted == wanted:
        return None
    return {"user": user, "device": str(device)}


def _flags(processor: Path) -> set[str]:
    lines = processor.read_text().splitlines()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


def _not_offered(flags: set[str]) -> Mapping[str, str]:
    """A machine that is a VM itself is told by the flag of its hypervisor (Linux, X86_FEATURE_HYPERVISOR)."""
    return {"nested": " or ".join(_MODULES)} if "hypervisor" in flags else {}
