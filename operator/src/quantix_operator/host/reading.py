"""How the operator reads a Host: whether it is ready, heard and open, and how much it may promise.

Pure; used by the scheduler, the VM controller and the host controller, so that all mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from quantix_api import Host, Overcommit, SchedulingPolicy
from quantix_api.quantities import size_bytes
from quantix_operator.scheduling.model import ARCH_LABEL, CPU_VENDOR_LABEL, GIB, HOST_LABEL, MIB

# Reasons of Ready that only the operator writes, about a host that it does not hear
LOST_REASONS = frozenset({"Suspect", "Isolated", "StorageLost", "Failed", "Unreachable", "Fencing", "Fenced"})

_LEAST_RESERVE_BYTES = 512 * MIB
_MOST_RESERVE_BYTES = 8 * GIB


def not_ready(host: Host) -> str:
    """What the host is instead of Ready ("Unreachable"); empty when it is Ready."""
    ready = host.status.condition("Ready")
    if ready is None or ready.reason == "Pending":
        return "Joining"
    return "" if ready.status == "True" else ready.reason


def closed(host: Host) -> str:
    """Why a person keeps new VMs off the host; empty when nobody does."""
    if host.deleting:
        return "Deleting"
    if host.spec.maintenance:
        return "Maintenance"
    return "Cordoned" if host.spec.unschedulable else ""


def lost(host: Host) -> bool:
    """Whether the operator said that it does not hear this host."""
    ready = host.status.condition("Ready")
    return ready is not None and ready.status != "True" and ready.reason in LOST_REASONS


def kvm_works(host: Host) -> bool:
    condition = host.status.condition("KVMAvailable")
    return condition is not None and condition.status == "True"


def implied_labels(host: Host) -> Mapping[str, str]:
    """The host's own labels and those that every host has."""
    facts = {
        HOST_LABEL: host.metadata.name,
        ARCH_LABEL: host.status.arch,
        CPU_VENDOR_LABEL: host.status.cpu_vendor,
    }
    return {**host.metadata.labels, **{key: value for key, value in facts.items() if value}}


def overcommit(host: Host, policy: SchedulingPolicy | None) -> Overcommit:
    return host.spec.overcommit.over(policy.spec.overcommit if policy else Overcommit())


def capacity_bytes(size: str | None) -> int:
    """A size of status, where nothing is "0" or not said."""
    return 0 if size in (None, "0") else size_bytes(size)


def promised_memory_bytes(host: Host, limits: Overcommit) -> int:
    """What guests may be promised; a sixteenth (512 MiB to 8 GiB) is the host's where nothing is reserved."""
    memory = capacity_bytes(host.status.memory)
    wanted = host.spec.reserved.memory
    reserve = (
        size_bytes(wanted) if wanted else min(max(memory // 16, _LEAST_RESERVE_BYTES), _MOST_RESERVE_BYTES)
    )
    return max(0, memory - reserve) * limits.memory_percent // 100


def promised_cpu_millis(host: Host) -> int:
    """Thousandths of real CPUs; their overcommit is in what each guest asks for."""
    return max(0, (host.status.cpus or 0) - (host.spec.reserved.cpus or 0)) * 1000
