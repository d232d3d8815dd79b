"""What the scheduler knows of hosts and guests: frozen values, nothing of the API.

Made by `observe.py` from cached objects; read by filters, scores and plans. No I/O and no clock here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

HOST_LABEL = "quantix.io/host"
ARCH_LABEL = "quantix.io/arch"
CPU_VENDOR_LABEL = "quantix.io/cpu-vendor"

MIB = 1 << 20
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
    CPU = "CPU"
    MEMORY = "Memory"


@dataclass(frozen=True)
class Refusal:
    """Why one host does not take one guest; `what` names the label, taint, pool, network or rule."""

    lack: Lack
    what: str


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
    """What a VM asks of a host. `memory_bytes` is the request, QEMU's own need included."""

    uid: str
    namespace: str
    name: str
    vcpus: int
    memory_bytes: int
    labels: Mapping[str, str] = field(default_factory=dict)
    reservation_millis: int | None = None
    host_selector: Mapping[str, str] = field(default_factory=dict)
    affinity: tuple[Rule, ...] = ()
    anti_affinity: tuple[Rule, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    device_classes: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    pins: tuple[Pin, ...] = ()
    networks: tuple[str, ...] = ()
    priority: int = 100


@dataclass(frozen=True)
class HostView:
    """A host as the scheduler sees it; capacities are what may be promised, after reserve and overcommit.

    `not_ready` says what state it is in instead of Ready ("Unreachable"), `closed` why nothing new may
    start there ("Cordoned"); both empty on a host that takes guests. `cpu_percent` is its CPU overcommit.
    """

    name: str
    cpu_millis: int
    memory_bytes: int
    labels: Mapping[str, str] = field(default_factory=dict)
    cpu_percent: int = 400
    not_ready: str = ""
    closed: str = ""
    taints: tuple[Taint, ...] = ()
    device_classes: frozenset[str] = frozenset()
    pools: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()


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


def memory_request_bytes(guest_ram_bytes: int) -> int:
    """Guest RAM, 64 MiB for QEMU and 2 MiB a GiB for page tables (design/hypervisor.md, section 11)."""
    gib = -(-guest_ram_bytes // GIB)
    return guest_ram_bytes + 64 * MIB + 2 * MIB * gib


def cpu_request_millis(guest: Guest, host: HostView) -> int:
    """The guest's reservation, else its share of the host's CPUs under the host's overcommit, rounded up."""
    if guest.reservation_millis is not None:
        return guest.reservation_millis
    return -(-guest.vcpus * 1000 * 100 // host.cpu_percent)
