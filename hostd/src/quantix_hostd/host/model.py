"""One moment of this host, frozen: what the host controller saw and decides by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quantix_api import Host
from quantix_hostd.facts.devices import DeviceUse
from quantix_hostd.facts.machine import KvmVerdict, MachineFacts
from quantix_hostd.facts.orphans import OrphanGuest, OrphanVolume


@dataclass(frozen=True)
class PoolFacts:
    """A pool as this host sees it; `problem` is "" when it can be used, `reason` the one that the pool
    is to give where its place is what is wrong. `degraded`: why it is less safe than it should be, `full`:
    why Ceph takes no writes there. Without a capacity nobody tells it.
    """

    name: str
    capacity_bytes: int = 0
    available_bytes: int = 0
    problem: str = ""
    reason: str = ""
    degraded: str = ""
    full: str = ""


@dataclass(frozen=True)
class ImageCopy:
    """An image that lies in one of this host's pools."""

    uid: str
    pool: str
    size_bytes: int


@dataclass(frozen=True)
class NetworkFacts:
    """How the host's own network is. `problem` keeps the host from being Ready, `traffic_problem` does not:
    both are (reason, message), or None."""

    underlay_mtu: int = 1500
    wire_mtus: Mapping[str, int] = field(default_factory=dict)
    """By the names of physical networks: what fits through their wires here, in bytes."""
    userspace: bool = False
    tunnel_address: str = ""
    migration_address: str = ""
    problem: tuple[str, str] | None = None
    traffic_problem: tuple[str, str] | None = None


@dataclass(frozen=True)
class HostObserved:
    """`libvirt` is False while libvirtd does not answer; `confined` whether QEMU runs under AppArmor;
    `cpu_model` is QEMU's name of the newest model that guests can have here; `pressure`: as status has it."""

    host: Host
    machine: MachineFacts
    kvm: KvmVerdict
    network: NetworkFacts
    api_address: str
    libvirt: bool
    confined: bool
    cpu_model: str = "qemu64"
    devices: tuple[DeviceUse, ...] = ()
    huge_pages: Mapping[str, int] = field(default_factory=dict)
    node_pages: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    pools: tuple[PoolFacts, ...] = ()
    images: tuple[ImageCopy, ...] = ()
    orphans: tuple[OrphanGuest, ...] = ()
    orphan_volumes: tuple[OrphanVolume, ...] | None = ()
    pressure: Sequence[Mapping[str, Any]] = ()
    shutting_down: bool = False
