"""Whether there is nothing to balance at all, without a look at every VM. Reads the cache only.

Most looks of most clusters end here. What a host promised its VMs is read from its status, where the
controller of hosts keeps it up; that is what a look counts, or more where guests have huge pages.
"""

from __future__ import annotations

from quantix_api import Host, SchedulingPolicy, VirtualMachine, VirtualMachineMigration
from quantix_operator.balance.model import FULL_PERMILLE
from quantix_operator.indexers import RULED, UNFINISHED, ruled, unfinished
from quantix_operator.objects import Objects
from quantix_operator.scheduling import host_reading


def is_calm(objects: Objects) -> bool:
    """No VM asks for a place, all of them can be read, no host is short or full, and nothing moves."""
    if objects.by(VirtualMachine, ruled, RULED) or objects.unread(VirtualMachine):
        return False
    if objects.by(VirtualMachineMigration, unfinished, UNFINISHED):
        return False
    policy = objects.get(SchedulingPolicy, "default")
    return not any(_is_short(host) or _is_full(host, policy) for host in objects.list(Host))


def _is_short(host: Host) -> bool:
    """Also one that has not been so for long: that changes by time alone."""
    return any(item.level == "High" for item in host.status.pressure)


def _is_full(host: Host, policy: SchedulingPolicy | None) -> bool:
    allocated = host.status.allocated
    promised = host_reading.capacity_bytes(allocated.memory) if allocated is not None else 0
    most = host_reading.promised_memory_bytes(host, host_reading.overcommit(host, policy))
    return promised > 0 and promised * 1000 >= most * FULL_PERMILLE
