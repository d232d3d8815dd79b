"""Who is where, and how much of each host is promised, during one scheduling pass.

Used by the filters, scores and `plan.place`, which adds each guest as it places it, so that two guests of
one pass never get the same room. It lives no longer than the pass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from quantix_operator.scheduling.model import Guest, HostView, Placed, World, cpu_request_millis


class Occupancy:
    """Promised CPU and memory by host, and the placed guests by namespace."""

    def __init__(self, world: World) -> None:
        self._hosts = {host.name: host for host in world.hosts}
        self._cpu_millis: dict[str, int] = defaultdict(int)
        self._memory_bytes: dict[str, int] = defaultdict(int)
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

    def in_domain(self, placed: Placed, host: HostView, topology_key: str) -> bool:
        """Whether the placed guest is in the same topology domain as `host`."""
        where = self._hosts.get(placed.host)
        domain = host.labels.get(topology_key)
        return where is not None and domain is not None and where.labels.get(topology_key) == domain
