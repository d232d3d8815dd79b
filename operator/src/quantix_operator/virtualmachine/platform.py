"""Which machine type and CPU model a VM gets: what all hosts that take guests have in common.

Pure; called by `resolved`. The values come from `Host.status`: `versions.machineType` (the newest that its
QEMU has), `cpuModel` and the condition KVMAvailable.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# QEMU's plain 64-bit CPU: the same everywhere, and the only one that TCG is given (design/hypervisor.md, 2)
EMULATED_CPU = "qemu64"
# The newest of Debian 12's QEMU, the oldest that Quantix runs on
OLDEST_MACHINE_TYPE = "pc-q35-7.2"

_MACHINE_TYPE = re.compile(r"pc-q35-(\d+)\.(\d+)")
_CPU_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class HostPlatform:
    """What of a host decides about the machine that guests see. `taken`: new guests may start there."""

    name: str
    taken: bool = True
    machine_type: str = ""
    cpu_model: str = ""
    kvm_works: bool = False


def common_machine_type(fleet: Sequence[HostPlatform]) -> str:
    """The newest versioned q35 that every host which takes guests has."""
    newest = [_version(host.machine_type) for host in fleet if host.taken and host.machine_type]
    known = [version for version in newest if version is not None]
    if not known:
        return OLDEST_MACHINE_TYPE
    major, minor = min(known)
    return f"pc-q35-{major}.{minor}"


def knows_machine(newest: str, wanted: str) -> bool:
    """Whether a QEMU whose newest machine type that is can run a guest that has `wanted`; what is not known
    is for the host to tell.
    """
    known, asked = _version(newest), _version(wanted)
    return known is None or asked is None or known >= asked


def cpu_model(wanted: str, host: str, fleet: Sequence[HostPlatform]) -> str:
    """The model for a start on `host`: `wanted` is Auto, HostPassthrough or a model's name."""
    if not any(item.name == host and item.kvm_works for item in fleet):
        return EMULATED_CPU
    return _common_cpu_model(fleet) if wanted == "Auto" else wanted


def _common_cpu_model(fleet: Sequence[HostPlatform]) -> str:
    """One model only when every host names the same; a mixed fleet gets the one that all can give."""
    models = {host.cpu_model if host.kvm_works else EMULATED_CPU for host in fleet if host.taken}
    if len(models) != 1:
        return EMULATED_CPU
    (model,) = models
    return model if _CPU_MODEL.fullmatch(model) else EMULATED_CPU


def _version(machine_type: str) -> tuple[int, int] | None:
    match = _MACHINE_TYPE.fullmatch(machine_type)
    return None if match is None else (int(match[1]), int(match[2]))
