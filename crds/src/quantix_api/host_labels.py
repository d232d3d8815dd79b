"""The labels by which hosts are chosen: those of the Host object, and those that every host has by itself.

Pure; the operator places VMs by them, hostd and the operator find the hosts of a pool, `qx` shows them.
"""

from __future__ import annotations

from collections.abc import Mapping

HOST_LABEL = "quantix.io/host"
ARCH_LABEL = "quantix.io/arch"
CPU_VENDOR_LABEL = "quantix.io/cpu-vendor"


def host_labels(
    name: str, own: Mapping[str, str], arch: str | None = None, cpu_vendor: str | None = None
) -> dict[str, str]:
    """All labels of a host by key; nobody's own label replaces one that the host has by itself.

    `arch` and `cpu_vendor` are what its status says, None before it says anything.
    """
    implied = {HOST_LABEL: name, ARCH_LABEL: arch, CPU_VENDOR_LABEL: cpu_vendor}
    return {**own, **{key: value for key, value in implied.items() if value}}


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether a host with these labels is one that the selector means; an empty one means all."""
    return all(labels.get(key) == value for key, value in selector.items())
