"""How much of what hosts have was promised to VMs, as `qx status` tells it: CPUs, memory, pools. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from quantix_api.promised import cpus_for_guests
from quantix_api.quantities import counted, size_bytes
from quantix_cli.measures import size
from quantix_cli.nouns import Manifest, look

Fact = tuple[str, str]


def cpus(hosts: Sequence[Manifest], policy: Manifest | None) -> list[Fact]:
    """vCPUs of VMs, of as many as overcommit allows; of the real ones where no `policy` could be read."""
    real = sum(look(host, "status.cpus", 0) for host in hosts)
    promised = sum(look(host, "status.allocated.cpus", 0) for host in hosts)
    if not real:
        return []
    usual = look(policy or {}, "spec.overcommit.cpuPercent")
    if usual is None:
        return [("CPUs", f"{promised} promised on {counted(real, 'real one')}")]
    most = sum(_most_cpus(host, usual) for host in hosts)
    return [("CPUs", f"{promised} of {most} promised, on {counted(real, 'real one')}")]


def _most_cpus(host: Manifest, usual_percent: int) -> int:
    real = cpus_for_guests(look(host, "status.cpus"), look(host, "spec.reserved.cpus"))
    return int(real * look(host, "spec.overcommit.cpuPercent", usual_percent) // 100)


def memory(hosts: Sequence[Manifest]) -> list[Fact]:
    """Memory of VMs, of what the hosts have."""
    total = sum(size_bytes(look(h, "status.memory")) for h in hosts if look(h, "status.memory"))
    used = sum(
        size_bytes(look(h, "status.allocated.memory")) for h in hosts if look(h, "status.allocated.memory")
    )
    return [("memory", f"{size(used)} of {size(total)} promised, {100 * used // total} %")] if total else []


def pools(found: Sequence[Manifest]) -> list[Fact]:
    """Space that is taken in each pool."""
    told = []
    for pool in found:
        capacity, free = look(pool, "status.capacity"), look(pool, "status.available")
        if capacity and free:
            used = size_bytes(capacity) - size_bytes(free)
            name = pool["metadata"]["name"]
            told.append((f"pool {name}", f"{size(used)} of {size(size_bytes(capacity))} used"))
    return told
