"""What the scheduler knows of hosts and guests: frozen values, nothing of the API.

Made by `observe.py` from cached objects; read by filters, scores and plans. No I/O and no clock here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from quantix_api.host_labels import HOST_LABEL

GIB = 1 << 30


class Lack(StrEnum):
    """What a host lacks for a guest, in the order in which it is reported."""

    READY = "Ready"
    OPEN = "Open"
    SELECTOR = "Selector"
    TAINT = "Taint"
    DEVICE = "Device"
    POOL = "Pool"
    VOLUME = "Volume"
    NETWORK = "Network"
    AFFINITY = "Affinity"
    ANTI_AFFINITY = "AntiAffinity"
    ADDRESSES = "Addresses"
    CPU = "CPU"
    MEMORY = "Memory"
    HUGE_PAGES = "HugePages"
    NUMA = "NUMA"
    # of a VM that moves while it runs
    POOL_ROOM = "PoolRoom"
    CPU_MODEL = "CPUModel"
    MACHINE_TYPE = "MachineType"


@dataclass(frozen=True)
class Refusal:
    """Why one host does not take one guest; `what` names the label, taint, pool, network, rule or class of
    device, `why` says why there is none of that class; of addresses, the size and how much there could be.
    """

    lack: Lack
    what: str
    why: str = ""


@dataclass(frozen=True)
class Taint:
    key: str
    value: str
    effect: str


@dataclass(frozen=True)
class Toleration:
    """`value` None tolerates any value of the key."""

    key: str
    value: str | None = None

    def covers(self, taint: Taint) -> bool:
        return self.key == taint.key and self.value in (None, taint.value)


@dataclass(frozen=True)
class Rule:
    """An affinity or anti-affinity to guests of the same namespace with these labels."""

    selector: Mapping[str, str]
    topology_key: str = HOST_LABEL
    required: bool = True

    def selects(self, labels: Mapping[str, str]) -> bool:
        return all(labels.get(key) == value for key, value in self.selector.items())

    def __str__(self) -> str:
        return ",".join(f"{key}={value}" for key, value in sorted(self.selector.items())) or "all VMs"


@dataclass(frozen=True)
class Pin:
    """A volume whose data is on one host only."""

    volume: str
    host: str


@dataclass(frozen=True)
class Guest:
    """What a VM asks of a host. `memory_bytes` is the request, QEMU's own need included, without what
    comes in huge pages: `huge_bytes` by their size. `own_cpus`: how many it has to itself; `bound_bytes`:
    its memory that has to be on their NUMA nodes, in pages of `page_size` ("": ordinary); `most_bytes`: what
    it can grow to while it runs, with a CPU of `cpu_model`. `images`: UIDs of those that its disks are still
    to be made from. `returning`: it ran until its host was shut down, and nobody stopped it since; `created`:
    when its VM was made, as the API writes it.
    """

    uid: str
    namespace: str
    name: str
    vcpus: int
    memory_bytes: int
    labels: Mapping[str, str] = field(default_factory=dict)
    reservation_millis: int | None = None
    own_cpus: int = 0
    bound_bytes: int = 0
    page_size: str = ""
    huge_bytes: Mapping[str, int] = field(default_factory=dict)
    most_bytes: int = 0
    cpu_model: str = ""
    host_selector: Mapping[str, str] = field(default_factory=dict)
    affinity: tuple[Rule, ...] = ()
    anti_affinity: tuple[Rule, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    device_classes: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    pins: tuple[Pin, ...] = ()
    networks: tuple[str, ...] = ()
    images: frozenset[str] = frozenset()
    priority: int = 100
    returning: bool = False
    created: str = ""

    @property
    def all_memory_bytes(self) -> int:
        """Its memory in pages of whatever size: what is copied when it moves."""
        return self.memory_bytes + sum(self.huge_bytes.values())


@dataclass(frozen=True)
class Node:
    """What guests may have of a NUMA node: CPUs to themselves, ordinary memory, huge pages by size."""

    cpus: int
    memory_bytes: int
    huge_bytes: Mapping[str, int] = field(default_factory=dict)

    def room_bytes(self, page_size: str) -> int:
        return self.huge_bytes.get(page_size, 0) if page_size else self.memory_bytes

    def without(self, cpus: int, page_size: str, size_bytes: int) -> Node:
        if not page_size:
            return replace(self, cpus=self.cpus - cpus, memory_bytes=self.memory_bytes - size_bytes)
        pages = {**self.huge_bytes, page_size: self.huge_bytes.get(page_size, 0) - size_bytes}
        return replace(self, cpus=self.cpus - cpus, huge_bytes=pages)


@dataclass(frozen=True)
class HostView:
    """A host as the scheduler sees it; capacities are what may be promised, after reserve and overcommit.

    `not_ready` says what state it is in instead of Ready ("Unreachable"), `closed` why nothing new may
    start there ("Cordoned"); both empty on a host that takes guests. `cpu_percent` is its CPU overcommit,
    `own_cpus` how many of its CPUs guests may have to themselves, `huge_bytes` its memory in huge pages,
    `address_bits` those of an address of memory of a guest that has its CPU, `devices` how many guests can
    have one of each class, `device_problems` why not more; `images` the UIDs of those that it has copies of.
    """

    name: str
    cpu_millis: int
    memory_bytes: int
    labels: Mapping[str, str] = field(default_factory=dict)
    cpu_percent: int = 400
    own_cpus: int = 0
    address_bits: int | None = None
    huge_bytes: Mapping[str, int] = field(default_factory=dict)
    nodes: tuple[Node, ...] = ()
    not_ready: str = ""
    closed: str = ""
    taints: tuple[Taint, ...] = ()
    devices: Mapping[str, int] = field(default_factory=dict)
    device_problems: Mapping[str, str] = field(default_factory=dict)
    pools: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Placed:
    """A guest that has a host, running or not."""

    guest: Guest
    host: str


@dataclass(frozen=True)
class World:
    """Everything one pass decides on."""

    hosts: tuple[HostView, ...]
    placed: tuple[Placed, ...] = ()


def cpu_request_millis(guest: Guest, host: HostView) -> int:
    """The guest's reservation, else its share of the host's CPUs under the host's overcommit, rounded up."""
    if guest.reservation_millis is not None:
        return guest.reservation_millis
    return -(-guest.vcpus * 1000 * 100 // host.cpu_percent)
