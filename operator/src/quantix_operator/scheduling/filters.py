"""Which hosts can take a guest: each filter answers with what the host lacks, or None.

Pure; called by `plan.decide`, and some of them for a guest that grows where it is. Every filter is asked
even after one refused, so that the verdict can name what keeps out all hosts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from quantix_api.address_space import addressable_bytes
from quantix_api.message_table_phrases import BESIDE_CPUS, IN_HUGE_PAGES, NONE_OFFERED, TOO_FEW_FREE
from quantix_api.quantities import counted, human_size
from quantix_api.resources import LOCAL_PHYSICAL_NETWORK
from quantix_operator.scheduling.model import (
    Guest,
    HostView,
    Lack,
    Refusal,
    Rule,
    cpu_request_millis,
)
from quantix_operator.scheduling.occupancy import Occupancy

Filter = Callable[[Guest, HostView, Occupancy], Refusal | None]


def ready(guest: Guest, host: HostView, occupancy: Occupancy) -> Refusal | None:
    return Refusal(Lack.READY, host.not_ready) if host.not_ready else None


def schedulable(guest: Guest, host: HostView, occupancy: Occupancy) -> Refusal | None:
    return Refusal(Lack.OPEN, host.closed) if host.closed else None


def host_selector(guest: Guest, host: HostView, occupancy: Occupancy) -> Refusal | None:
    for key, value in sorted(guest.host_selector.items()):
        if host.labels.get(key) != value:
            return Refusal(Lack.SELECTOR, f"{key}={value}")
    return None


def taints(guest: Guest, host: HostView, occupancy: Occupancy) -> Refusal | None:
    for taint in host.taints:
        if taint.effect != "PreferNoSchedule" and not any(t.covers(taint) for t in guest.tolerations):
            return Refusal(Lack.TAINT, f"{taint.key}={taint.value}" if taint.value else taint.key)
    return None


def devices(guest: Guest, host: HostView, occupancy: Occupancy) -> Refusal | None:
    for class_, wanted in sorted(Counter(guest.device_classes).items()):
        if wanted > occupancy.free_devices(host, class_):
            none = host.device_problems.get(class_) or NONE_OFFERED
            return Refusal(Lack.DEVICE, class_, TOO_FEW_FREE if host.devices.get(class_) else none)
    return None


def pool_reach(guest: Guest, host: HostView, occupancy: Occupancy) -> Refusal | None:
    missing = [pool for pool in guest.pools if pool not in host.pools]
    return Refusal(Lack.POOL, missing[0]) if missing else None


def volume_reach(guest: Guest, host: HostView, occupancy: Occupancy) -> Refusal | None:
    """A volume whose data is on one host keeps its guest there."""
    for pin in guest.pins:
        if pin.host != host.name:
            return Refusal(Lack.VOLUME, pin.volume)
    return None


def network_reach(guest: Guest, host: HostView, occupancy: Occupancy) -> Refusal | None:
    for network in guest.networks:
        if network != LOCAL_PHYSICAL_NETWORK and network not in host.networks:
            return Refusal(Lack.NETWORK, network)
    return None


def affinity(guest: Guest, host: HostView, occupancy: Occupancy) -> Refusal | None:
    """A guest that its own rule selects may be the first of its group."""
    for rule in guest.affinity:
        if not rule.required or meets(guest, rule, host, occupancy):
            continue
        group = [p for p in occupancy.neighbours(guest) if rule.selects(p.guest.labels)]
        if group or not rule.selects(guest.labels):
            return Refusal(Lack.AFFINITY, str(rule))
    return None


def anti_affinity(guest: Guest, host: HostView, occupancy: Occupancy) -> Refusal | None:
    """Symmetric: a placed guest's rule keeps the new one out as the new one's own rule does."""
    for rule in guest.anti_affinity:
        if rule.required and meets(guest, rule, host, occupancy):
            return Refusal(Lack.ANTI_AFFINITY, str(rule))
    for placed in occupancy.neighbours(guest):
        for rule in placed.guest.anti_affinity:
            selected = rule.required and rule.selects(guest.labels)
            if selected and occupancy.in_domain(placed, host, rule.topology_key):
                return Refusal(Lack.ANTI_AFFINITY, str(rule))
    return None


def addresses(guest: Guest, host: HostView, occupancy: Occupancy) -> Refusal | None:
    """Whether QEMU would start it there at all: it lays out all that the guest may grow to."""
    ceiling_bytes = addressable_bytes(host.address_bits, guest.cpu_model)
    if guest.most_bytes <= ceiling_bytes:
        return None
    return Refusal(Lack.ADDRESSES, human_size(guest.most_bytes), human_size(ceiling_bytes))


def free_cpus(guest: Guest, host: HostView, occupancy: Occupancy) -> tuple[int, int]:
    """How many CPUs such a guest could have here, and in percent how often each of the host's counts."""
    free = occupancy.free_cpu_millis(host)
    if guest.own_cpus > 0:
        return min(occupancy.free_own_cpus(host), free // 1000), 100
    percent = 100 if guest.reservation_millis is not None else host.cpu_percent
    return free * percent // 100_000, percent


def cpu_room(guest: Guest, host: HostView, occupancy: Occupancy) -> Refusal | None:
    wanted = cpu_request_millis(guest, host)
    if guest.own_cpus > 0 and guest.own_cpus > occupancy.free_own_cpus(host):
        return Refusal(Lack.CPU, "")
    return Refusal(Lack.CPU, "") if wanted > occupancy.free_cpu_millis(host) else None


def memory_room(guest: Guest, host: HostView, occupancy: Occupancy) -> Refusal | None:
    return Refusal(Lack.MEMORY, "") if guest.memory_bytes > occupancy.free_memory_bytes(host) else None


def huge_page_room(guest: Guest, host: HostView, occupancy: Occupancy) -> Refusal | None:
    for page_size, size_bytes in guest.huge_bytes.items():
        if size_bytes > occupancy.free_huge_bytes(host, page_size):
            wanted = IN_HUGE_PAGES.format(size=human_size(size_bytes), page=page_size)
            return Refusal(Lack.HUGE_PAGES, wanted)
    return None


def node_room(guest: Guest, host: HostView, occupancy: Occupancy) -> Refusal | None:
    if occupancy.has_nodes(guest, host):
        return None
    memory = human_size(guest.bound_bytes)
    if guest.page_size:
        memory = IN_HUGE_PAGES.format(size=memory, page=guest.page_size)
    wanted = BESIDE_CPUS.format(cpus=counted(guest.own_cpus, "CPU"), memory=memory)
    return Refusal(Lack.NUMA, wanted)


def meets(guest: Guest, rule: Rule, host: HostView, occupancy: Occupancy) -> bool:
    """Whether a guest that the rule selects is already in the host's topology domain."""
    return any(
        rule.selects(placed.guest.labels) and occupancy.in_domain(placed, host, rule.topology_key)
        for placed in occupancy.neighbours(guest)
    )


FILTERS: tuple[Filter, ...] = (
    ready,
    schedulable,
    host_selector,
    taints,
    devices,
    pool_reach,
    volume_reach,
    network_reach,
    affinity,
    anti_affinity,
    addresses,
    cpu_room,
    memory_room,
    huge_page_room,
    node_room,
)


def refusals(guest: Guest, host: HostView, occupancy: Occupancy) -> tuple[Refusal, ...]:
    """Everything that keeps the guest off this host; empty when it fits."""
    return tuple(refusal for check in FILTERS if (refusal := check(guest, host, occupancy)) is not None)
