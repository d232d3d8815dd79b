"""How the operator reads a Host: whether it is ready, heard and open, and how much it may promise.

Pure; used by the scheduler, the VM controller and the host controller, so that all mean the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from quantix_api import Host, Overcommit, SchedulingPolicy, StoragePool
from quantix_api.conditions import LOST_REASONS
from quantix_api.host_labels import host_labels, selects
from quantix_api.message_table_phrases import HOST_REMOVED
from quantix_api.message_text import cause_of
from quantix_api.promised import cpus_for_guests
from quantix_api.quantities import size_bytes
from quantix_operator.scheduling.model import HostView, Node, Taint
from quantix_operator.topology.reach import wires_of


def view_of(host: Host, pools: Sequence[StoragePool], policy: SchedulingPolicy | None) -> HostView:
    """The host as the filters see it."""
    limits = overcommit(host, policy)
    labels = implied_labels(host)
    reached = {pool.name for pool in host.status.pools if pool.state != "Unreachable"}
    meant = {pool.metadata.name for pool in pools if selects(pool.spec.host_selector, labels)}
    return HostView(
        name=host.metadata.name,
        cpu_millis=promised_cpu_millis(host),
        memory_bytes=promised_memory_bytes(host, limits),
        labels=labels,
        cpu_percent=limits.cpu_percent,
        own_cpus=own_cpus(host),
        address_bits=address_bits(host),
        huge_bytes=huge_bytes(host),
        nodes=nodes(host),
        not_ready=not_ready(host),
        closed=closed(host),
        taints=tuple(Taint(taint.key, taint.value or "", taint.effect) for taint in host.spec.taints),
        devices=devices(host),
        device_problems=device_problems(host),
        pools=frozenset(reached & meant),
        networks=wires_of(host),
        images=frozenset(image.uid for image in host.status.images),
    )


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


def lost_since(host: Host | None) -> str:
    """Since when it is not heard, as people read it; "" while it is. None: it is not there any more."""
    if host is None:
        return HOST_REMOVED
    ready = host.status.condition("Ready")
    if ready is None or not lost(host):
        return ""
    since = ready.last_transition_time
    return since.strftime("%H:%M:%S UTC") if since else "an unknown time"


def silent_hosts(hosts: Collection[Host], named: Iterable[str]) -> Mapping[str, str]:
    """Those that are not heard, and since when; also those that are named and not there."""
    gone = dict.fromkeys({*named} - {host.metadata.name for host in hosts}, HOST_REMOVED)
    return gone | {host.metadata.name: lost_since(host) for host in hosts if lost(host)}


def kvm_works(host: Host) -> bool:
    condition = host.status.condition("KVMAvailable")
    return condition is not None and condition.status == "True"


def address_bits(host: Host) -> int | None:
    """Those of a guest that has the host's own CPU, None where that is not known, or no guest has it."""
    return host.status.cpu_address_bits if kvm_works(host) else None


def implied_labels(host: Host) -> Mapping[str, str]:
    """The host's own labels and those that every host has."""
    return host_labels(host.metadata.name, host.metadata.labels, host.status.arch, host.status.cpu_vendor)


def overcommit(host: Host, policy: SchedulingPolicy | None) -> Overcommit:
    return host.spec.overcommit.over(policy.spec.overcommit if policy else Overcommit())


def capacity_bytes(size: str | None) -> int:
    """A size of status, where nothing is "0" or not said."""
    return 0 if size in (None, "0") else size_bytes(size)


def promised_memory_bytes(host: Host, limits: Overcommit) -> int:
    """What guests may be promised: without what the host reserves, and what is in huge pages."""
    memory = capacity_bytes(host.status.memory)
    reserve = host.spec.reserved.memory_bytes(memory)
    return max(0, memory - reserve - sum(huge_bytes(host).values())) * limits.memory_percent // 100


def huge_bytes(host: Host) -> Mapping[str, int]:
    """Memory in huge pages, by their size: it is promised as it is, and in pages only."""
    return {pages.size: size_bytes(pages.size) * pages.total for pages in host.status.hugepages}


def nodes(host: Host) -> tuple[Node, ...]:
    """What guests may have of each NUMA node. The lowest CPUs are kept from them, as hostd has it."""
    kept, found = host.spec.reserved.shared_cpus, []
    for node in sorted(host.status.numa, key=lambda node: _lowest(node.cpus)):
        cpus = _count(node.cpus)
        huge: dict[str, int] = {pages.size: size_bytes(pages.size) * pages.total for pages in node.hugepages}
        memory = max(capacity_bytes(node.memory) - sum(huge.values()), 0)
        found.append(Node(max(cpus - kept, 0), memory, huge))
        kept = max(kept - cpus, 0)
    return tuple(found)


def devices(host: Host) -> Mapping[str, int]:
    """How many VMs can have a device of each class."""
    counts: Counter[str] = Counter()
    for device in host.status.devices:
        counts[device.class_ or ""] += device.total or 0
    return counts


def device_problems(host: Host) -> Mapping[str, str]:
    """By class: what keeps the first device that nobody can have, without its full stop."""
    return {
        device.class_ or "": cause_of(device.message)
        for device in reversed(host.status.devices)
        if device.message
    }


def own_cpus(host: Host) -> int:
    """CPUs that guests may have to themselves."""
    return max(0, (host.status.cpus or 0) - host.spec.reserved.shared_cpus)


def promised_cpu_millis(host: Host) -> int:
    """Thousandths of real CPUs; their overcommit is in what each guest asks for."""
    return cpus_for_guests(host.status.cpus, host.spec.reserved.cpus) * 1000


def _ranges(cpus: str | None) -> list[tuple[int, int]]:
    """First and last of each range in `0-3,8`; a host's word that is none of these says nothing."""
    found = []
    for part in filter(None, (cpus or "").split(",")):
        first, _, last = part.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            found.append((int(first), int(last or first)))
    return found


def _count(cpus: str | None) -> int:
    return sum(last - first + 1 for first, last in _ranges(cpus))


def _lowest(cpus: str | None) -> int:
    return min((first for first, _ in _ranges(cpus)), default=0)
