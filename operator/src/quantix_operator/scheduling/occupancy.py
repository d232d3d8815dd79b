"""Who is where, and how much of each host is promised, during one scheduling pass.

Used by the filters, scores and `plan.place`, which adds each guest as it places it, so that two guests of
one pass never get the same room. It lives no longer than the pass.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from quantix_operator.scheduling.model import Guest, HostView, Placed, World, cpu_request_millis
from quantix_operator.scheduling.numa import take


class Occupancy:
    """Promised CPU and memory by host, and the placed guests by namespace."""

    def __init__(self, world: World) -> None:
        self._hosts = {host.name: host for host in world.hosts}
        self._cpu_millis: dict[str, int] = defaultdict(int)
        self._memory_bytes: dict[str, int] = defaultdict(int)
        self._own_cpus: dict[str, int] = defaultdict(int)
        self._huge_bytes: dict[tuple[str, str], int] = defaultdict(int)
        self._devices: Counter[tuple[str, str]] = Counter()
        self._nodes = {host.name: host.nodes for host in world.hosts}
        self._by_namespace: dict[str, list[Placed]] = defaultdict(list)
        for placed in world.placed:
            self.add(placed.guest, placed.host)

    def add(self, guest: Guest, host_name: str) -> None:
        """Promise the guest's room on the host; a host that no longer exists has no room to count."""
        self._by_namespace[guest.namespace].append(Placed(guest, host_name))
        host = self._hosts.get(host_name)
        if host is not None:
            self._cpu_millis[host_name] += cpu_request_millis(guest, host)
            self._memory_bytes[host_name] += guest.memory_bytes
            self._own_cpus[host_name] += guest.own_cpus
            for page_size, size_bytes in guest.huge_bytes.items():
                self._huge_bytes[host_name, page_size] += size_bytes
            if guest.own_cpus:
                nodes = self._nodes[host_name]
                self._nodes[host_name] = take(nodes, guest) or nodes
            self._devices.update((host_name, class_) for class_ in guest.device_classes)

    def neighbours(self, guest: Guest) -> Iterable[Placed]:
        """The placed guests of the same namespace, itself left out."""
        return (other for other in self._by_namespace[guest.namespace] if other.guest.uid != guest.uid)

    def promised_cpu_millis(self, host_name: str) -> int:
        return self._cpu_millis[host_name]

    def promised_memory_bytes(self, host_name: str) -> int:
        return self._memory_bytes[host_name]

    def free_memory_bytes(self, host: HostView) -> int:
        return host.memory_bytes - self._memory_bytes[host.name]

    def free_cpu_millis(self, host: HostView) -> int:
        return host.cpu_millis - self._cpu_millis[host.name]

    def free_own_cpus(self, host: HostView) -> int:
        """CPUs that one more guest could have to itself."""
        return host.own_cpus - self._own_cpus[host.name]

    def free_huge_bytes(self, host: HostView, page_size: str) -> int:
        return host.huge_bytes.get(page_size, 0) - self._huge_bytes[host.name, page_size]

    def has_nodes(self, guest: Guest, host: HostView) -> bool:
        """Whether the memory that has to be beside the guest's CPUs can be: always where none are told."""
        return not (guest.bound_bytes and host.nodes) or take(self._nodes[host.name], guest) is not None

    def free_devices(self, host: HostView, class_: str) -> int:
        return host.devices.get(class_, 0) - self._devices[host.name, class_]

    def in_domain(self, placed: Placed, host: HostView, topology_key: str) -> bool:
        """Whether the placed guest is in the same topology domain as `host`."""
        where = self._hosts.get(placed.host)
        domain = host.labels.get(topology_key)
        return where is not None and domain is not None and where.labels.get(topology_key) == domain
